package conformance

// FourWays is how each variant of our own servers is started: the flags that the
// cases of that variant count on.
var FourWays = map[Variant][]string{
	Default: {},
	Short:   {"-head-timeout", "1", "-idle-timeout", "1", "-min-rate", "1000000"},
	Inline:  {"-inline"},
	Chunked: {"-chunked"},
	Limits: {
		"-max-request-line", "512", "-max-head", "2048", "-max-fields", "10", "-max-body", "1000", "-max-requests", "3",
	},
	Options: {
		"-cors", "https://app.example", "-error-page", "404=/404.html", "-header", "X-Extra: yes",
		"-cache-control", "max-age=60", "-host", "other.example,mapped.example:443",
	},
}
