package http1

// statusLine holds what every final head with this status begins with, so that
// it is one copy. Only statuses this server sends are there.
var statusLine [600]string

var statusText = map[int]string{
	101: "Switching Protocols",
	200: "OK",
	201: "Created",
	204: "No Content",
	206: "Partial Content",
	301: "Moved Permanently",
	302: "Found",
	303: "See Other",
	304: "Not Modified",
	307: "Temporary Redirect",
	308: "Permanent Redirect",
	400: "Bad Request",
	401: "Unauthorized",
	403: "Forbidden",
	404: "Not Found",
	405: "Method Not Allowed",
	408: "Request Timeout",
	411: "Length Required",
	412: "Precondition Failed",
	413: "Content Too Large",
	414: "URI Too Long",
	415: "Unsupported Media Type",
	416: "Range Not Satisfiable",
	417: "Expectation Failed",
	421: "Misdirected Request",
	429: "Too Many Requests",
	431: "Request Header Fields Too Large",
	500: "Internal Server Error",
	501: "Not Implemented",
	502: "Bad Gateway",
	503: "Service Unavailable",
	504: "Gateway Timeout",
	505: "HTTP Version Not Supported",
	507: "Insufficient Storage",
	508: "Loop Detected",
}

func init() {
	for code, text := range statusText {
		digits := string([]byte{byte('0' + code/100), byte('0' + code/10%10), byte('0' + code%10)})
		statusLine[code] = "HTTP/1.1 " + digits + " " + text + "\r\nServer: fourways\r\nDate: "
	}
}

// StatusText is the reason phrase of a status this server sends, else "".
func StatusText(status int) string { return statusText[status] }
