package proxy

import (
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/session"
)

// admit checks what only a request that is passed on must not be. TRACE would tell a client's
// script what it must not see, and which servers stand between (RFC 9110 9.3.8).
func admit(x *session.Exchange) fault.Fault {
	if x.Request().Method == http1.TRACE {
		return fault.Of(fault.RefusedMethod)
	}
	return CheckRequest(x.Request())
}
