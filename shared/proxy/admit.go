package proxy

import (
	"fourways/shared/fault"
	"fourways/shared/http1"
	"fourways/shared/session"
)

// admit checks what only a request that is passed on must not be. TRACE would tell a client's
// script what it must not see, and which servers stand between (RFC 9110 9.3.8); to old servers of
// Microsoft's TRACK is the same.
func admit(x *session.Exchange) fault.Fault {
	if r := x.Request(); r.Method == http1.TRACE || string(r.MethodName) == "TRACK" {
		return fault.Of(fault.RefusedMethod)
	}
	return CheckRequest(x.Request())
}
