// Package site decides what is answered: files of a folder with their conditions
// and ranges, uploads, reports about itself, and errors.
//
// A [Site] is a session.Handler. The files of this package stand in the order of a
// request's way: site.go finds the route, files.go the file, coding.go in which form
// it is sent, conditional.go whether it is wanted, ranges.go which parts of it; upload.go
// takes uploads in; monitor.go looks inside; errors.go answers all that goes wrong.
//
// Who owns what: a Site is shared by all threads that serve and does not change. A
// file's entry belongs to the cache; every path through files.go gives its reference
// back, or passes it to the answer, exactly once.
//
// What must not be done: nothing here may wait for the disk on the thread that calls
// it. What has to goes through Exchange.Park. The one exception is the cache's look, once
// a second, at a file that is in use.
package site

import (
	"errors"
	"net/netip"
	"sync"

	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Limits of the package.
const (
	chunk        = 8 << 10  // bytes of a chunk where files are sent chunked
	copied       = 8 << 10  // bytes of the largest body that is copied behind its head
	maxRanges    = 16       // ranges of one request; with more it gets the whole file
	spillAt      = 64 << 10 // bytes of an upload in memory, above which they go to its file
	nameTries    = 64       // names tried for an upload before giving up
	maxErrorPage = 64 << 10 // bytes of a page that replaces an error page
	maxDepth     = 10_000   // nested arrays and objects of an upload, as in encoding/json
	retryAfter   = "5"      // seconds, with 503
)

// uploadRoute is not a file, and neither are those of monitor.go.
const uploadRoute = "/upload"

// Config is what a Site serves, and how. It must not change afterwards.
type Config struct {
	Root         *sysnet.Root
	Cache        filecache.Options // its Compress and Describe are the site's own
	Types        []string          // extensions that are served, in lower case, without the dot
	Chunked      bool              // files leave in chunks, to HTTP/1.1 clients
	Inline       bool              // files leave under their own type, not as downloads
	CacheControl string            // value of Cache-Control for files; empty for none
	CORS         string            // origin that may read answers from scripts; empty for none
	ErrorPages   map[int]string    // status to the path of a page of the site that replaces ours
	Reports      Reports           // what those are told who look inside
	Monitor      []netip.Prefix    // who may do so beside this machine itself

	// Trouble is told of what went wrong on our side, before the request is refused with
	// 500, 503 or 507. It is called on any thread. May be nil.
	Trouble func(x *session.Exchange, err error)
}

// Site answers requests.
type Site struct {
	cfg    Config
	cache  *filecache.Cache
	types  *guard.Types
	index  bool           // folders have an index: html is served
	cors   []byte         // field lines on every answer
	pages  map[int][]byte // by status: what replaces our error page
	create func(string) (temporary, error)
	aborts sync.WaitGroup // uploads given up whose files are being removed

	boundary string // between the parts of a multipart answer
}

// New makes a site. It fails where an error page cannot be read.
func New(cfg Config) (*Site, error) {
	s := &Site{cfg: cfg, types: guard.NewTypes(cfg.Types), pages: make(map[int][]byte), boundary: randomHex(16)}
	s.index = s.types.Check([]byte("/" + indexName)).OK()
	opt := cfg.Cache
	opt.Compress, opt.Describe = compresses, s.describe
	s.cache = filecache.New(cfg.Root, opt)
	s.create = s.createTemporary
	if cfg.CORS != "" {
		s.cors = []byte("Access-Control-Allow-Origin: " + cfg.CORS + "\r\n")
	}
	for status, path := range cfg.ErrorPages {
		page, err := readPage(cfg.Root, path)
		if err != nil {
			return nil, err
		}
		s.pages[status] = page
	}
	return s, nil
}

// Close lets go of the files, and waits until uploads that were given up have left nothing
// behind. Nothing may be served any more.
func (s *Site) Close() {
	s.aborts.Wait()
	s.cache.Clear()
}

// Cache is where the site's files are kept.
func (s *Site) Cache() *filecache.Cache { return s.cache }

// Serve answers a request that passed the checks on its head.
func (s *Site) Serve(x *session.Exchange) {
	switch x.Request().Method {
	case http1.GET, http1.HEAD:
		s.get(x)
	case http1.POST:
		s.post(x)
	case http1.OPTIONS:
		s.options(x)
	default:
		x.Fail(http1.Fault{Status: 405, Reason: http1.RefusedMethod})
	}
}

func (s *Site) get(x *session.Exchange) {
	switch string(x.Path()) {
	case uploadRoute:
		x.Fail(http1.Fault{Status: 405, Reason: http1.RefusedMethod})
	case healthRoute:
		s.report(x, s.cfg.Reports.Health, jsonType)
	case statsRoute:
		s.report(x, s.cfg.Reports.Stats, jsonType)
	case metricsRoute:
		s.report(x, s.cfg.Reports.Metrics, metricsType)
	case pageRoute:
		s.page(x)
	default:
		s.file(x)
	}
}

func (s *Site) post(x *session.Exchange) {
	if string(x.Path()) != uploadRoute {
		x.Fail(http1.Fault{Status: 405, Reason: http1.RefusedMethod})
		return
	}
	s.upload(x)
}

// begin begins an answer with what every answer of the site has.
func (s *Site) begin(x *session.Exchange, status int, length int64) *http1.Head {
	h := x.Begin(status, length)
	h.Raw(s.cors)
	return h
}

// fail refuses a request because of an error from the file system.
func (s *Site) fail(x *session.Exchange, err error) {
	f := faultOf(err)
	if f.Status >= 500 && s.cfg.Trouble != nil {
		s.cfg.Trouble(x, err)
	}
	x.Fail(f)
}

func faultOf(err error) http1.Fault {
	switch {
	case errors.Is(err, sysnet.ErrNotFound), errors.Is(err, filecache.ErrFolder), errors.Is(err, sysnet.ErrNameTooLong):
		return http1.Fault{Status: 404, Reason: http1.NotFound}
	case errors.Is(err, sysnet.ErrForbidden):
		// A file that its owner keeps from us is not meant to be served, and whether it is
		// there is nobody's business (RFC 9110 section 15.5.4 allows 404 for that).
		return http1.Fault{Status: 404, Reason: http1.NotFound}
	case errors.Is(err, sysnet.ErrOutside):
		return http1.Fault{Status: 403, Reason: http1.OutsideRoot}
	case errors.Is(err, errInvalidJSON):
		return http1.Fault{Status: 400, Reason: http1.BadJSON}
	case sysnet.IsFull(err):
		return http1.Fault{Status: 507, Reason: http1.DiskFull}
	case sysnet.IsBusy(err):
		return http1.Fault{Status: 503, Reason: http1.Fault500}
	}
	return http1.Fault{Status: 500, Reason: http1.Fault500}
}
