// Package site decides what is answered: files of a folder with their conditions
// and ranges, uploads, reports about itself, and errors.
//
// A [Site] is a session.Handler. The files of this package stand in the order of a request's way:
// site.go finds the route, https.go and redirects.go send clients elsewhere, files.go finds the
// file, pages.go pages by other names, coding.go in which form it is sent, conditional.go whether
// it is wanted, ranges.go which parts of it; upload.go takes uploads in; monitor.go looks inside;
// errors.go answers all that goes wrong.
//
// Who owns what: a Site is shared by all threads that serve and does not change; other settings are
// another Site. A file's entry belongs to the cache; every path through files.go releases its
// reference, or passes it to the answer, exactly once.
//
// What must not be done: nothing here may wait for the disk on the thread that calls it. What has
// to wait goes through Exchange.Park. The one exception: once a second the cache checks a file that
// is in use.
package site

import (
	"errors"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"

	"fourways/shared/fault"
	"fourways/shared/filecache"
	"fourways/shared/guard"
	"fourways/shared/http1"
	"fourways/shared/session"
	"fourways/shared/sysnet"
)

// Limits of the package.
const (
	chunk        = 8 << 10  // bytes of a chunk where files are sent chunked
	copied       = 8 << 10  // bytes of the largest body that is copied after its head
	maxRanges    = 16       // ranges of one request; with more it gets the whole file
	spillAt      = 64 << 10 // bytes of an upload in memory, above which they go to its file
	spillSoon    = 8 << 10  // the same where memory is scarce
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
	Shown        []string          // of those, the ones that are never downloads
	Index        string            // the file that stands for its folder; empty for index.html
	CleanURLs    bool              // a page is found without its extension, too
	App          string            // the path of the page that answers for what is not there; empty for none
	List         bool              // a folder without an index is listed
	Redirects    string            // file of redirects; empty for none
	Chunked      bool              // files are sent in chunks, to HTTP/1.1 clients
	Inline       bool              // files are sent under their own type, not as downloads
	CacheControl string            // value of Cache-Control for files; empty for none
	CacheRules   []CacheRule       // values for some of them; the first that fits counts
	CORS         []string          // origins whose scripts may read answers, or "*" alone for any
	ErrorPages   map[int]string    // status to the path of a page of the site that replaces ours
	Reports      Reports           // the answers of the monitoring routes
	Monitor      []netip.Prefix    // networks that may use them, in addition to this machine
	Probers      []netip.Prefix    // networks that may probe, in addition to this machine and trusted proxies
	Ending       func() bool       // the server is to end, and no longer ready; nil for never
	HTTPS        func() uint16     // the port that clients of plain HTTP are sent to; nil to serve them
	HTTPSPort    uint16            // the port of https that clients know; 0 for the one that they came in on

	// Missing is called with what the site is made without: a page or a folder of these settings,
	// or of the uploads', that cannot be read or opened. Nil where that is an error.
	Missing func(error)
	// Trouble is called with an error on our side, before the request is refused with 500, 503 or
	// 507. It is called on any thread. May be nil.
	Trouble func(x *session.Exchange, err error)
	// Outside is called once, with the first path whose symbolic link leads out of the root. It is
	// called on any thread. May be nil.
	Outside func(path string)
}

// CacheRule is the value of Cache-Control for files whose path, or name, is like a pattern; see
// [matches].
type CacheRule struct{ Pattern, Value string }

// Site answers requests.
type Site struct {
	cfg   Config
	cache *filecache.Cache
	types *guard.Types
	shown *guard.Types
	index bool   // folders have an index: its type is served
	app   []byte // the name of the file of Config.App, nil for none
	cors  cors
	pages atomic.Pointer[map[int][]byte] // by status: what replaces our error page
	store *store

	redirects atomic.Pointer[redirects] // nil for none
	lists     folderLists

	outside sync.Once // for Config.Outside

	boundary string // between the parts of a multipart answer
}

// New makes a site, which takes no uploads yet. It fails where an error page or the application's
// page cannot be read.
func New(cfg Config) (*Site, error) {
	s := &Site{cfg: cfg, types: guard.NewTypes(cfg.Types), shown: guard.NewTypes(cfg.Shown), cors: newCORS(cfg.CORS), boundary: randomHex(16), store: &store{}}
	if s.cfg.Index == "" {
		s.cfg.Index = indexName
	}
	s.index = s.types.Check([]byte("/" + s.cfg.Index)).OK()
	if cfg.App != "" {
		s.app = []byte(cfg.App[1:])
	}
	opt := cfg.Cache
	opt.Compress, opt.Describe = compresses, s.describe
	s.cache = filecache.New(cfg.Root, opt)
	if err := s.readRedirects(); err != nil {
		return nil, err
	}
	if err := s.without(errors.Join(s.readPages(), s.findApp())); err != nil {
		return nil, err
	}
	return s, nil
}

// without is nil where the site is made without what cannot be had, and the error otherwise.
func (s *Site) without(err error) error {
	if err != nil && s.cfg.Missing != nil {
		s.cfg.Missing(err)
		return nil
	}
	return err
}

// Again makes a site that takes the place of s, with other settings and the same uploads. Nothing
// of s is changed; once the other one is in use, Retire it.
func (s *Site) Again(cfg Config) (*Site, error) {
	next, err := New(cfg)
	if err == nil {
		next.store = s.store
	}
	return next, err
}

// Retire gives back what a site keeps whose place another has taken. What is under way ends.
func (s *Site) Retire() { s.cache.Close() }

// readPages reads the pages that replace error pages. One that cannot be read stays what it was.
func (s *Site) readPages() (err error) {
	pages := make(map[int][]byte)
	if before := s.pages.Load(); before != nil {
		maps.Copy(pages, *before)
	}
	for status, path := range s.cfg.ErrorPages {
		if page, e := readPage(s.cfg.Root, path); e == nil {
			pages[status] = page
		} else {
			err = errors.Join(err, e)
		}
	}
	s.pages.Store(&pages)
	return err
}

// Reopen serves the folder that the root's name leads to now. It reports whether that is another
// one than before. Uploads that begin from now on go to the new root's folder, or to the folder
// that now has the configured name. Where it fails, the old root is still served; where only an
// error page is missing in the new one, the old page is.
func (s *Site) Reopen() (other bool, err error) {
	if other, err = s.cfg.Root.Reopen(); err != nil {
		return false, err
	}
	if other {
		s.cache.Clear()
		s.lists.clear()
	}
	return other, errors.Join(s.store.reopen(s.cfg.Root), s.readPages(), s.findApp(), s.readRedirects())
}

// Close closes the files, and waits until the files of broken uploads are removed. Nothing may be
// served any more.
func (s *Site) Close() {
	s.store.close()
	s.cache.Clear()
}

// Cache is where the site's files are kept.
func (s *Site) Cache() *filecache.Cache { return s.cache }

// Serve answers a request that passed the checks on its head.
func (s *Site) Serve(x *session.Exchange) {
	if x.Request().Method == http1.Unknown {
		x.Fail(fault.Of(fault.UnknownMethod))
		return
	}
	if s.elsewhere(x) {
		s.redirectToHTTPS(x)
		return
	}
	switch x.Request().Method {
	case http1.GET, http1.HEAD:
		s.get(x)
	case http1.POST:
		s.post(x)
	case http1.OPTIONS:
		s.options(x)
	default:
		x.Fail(fault.Of(fault.RefusedMethod))
	}
}

// Precedes answers a request that the server would otherwise pass on to another one, where that is
// for this one to do: the client is to come by https, or it asks for a report that it may see. It
// reports whether it has.
func (s *Site) Precedes(x *session.Exchange) bool {
	switch r := x.Request(); {
	case s.elsewhere(x):
		s.redirectToHTTPS(x)
	case (r.Method == http1.GET || r.Method == http1.HEAD) && s.reports(string(x.Path())) && s.monitors(x):
		s.get(x)
	default:
		return false
	}
	return true
}

func (s *Site) get(x *session.Exchange) {
	switch string(x.Path()) {
	case uploadRoute:
		if !s.store.hasUploads() {
			s.file(x)
			return
		}
		x.Fail(fault.Of(fault.RefusedMethod))
	case healthRoute:
		s.report(x, s.cfg.Reports.Health, jsonType)
	case statsRoute:
		s.report(x, s.cfg.Reports.Stats, jsonType)
	case metricsRoute:
		s.report(x, s.cfg.Reports.Metrics, metricsType)
	case pageRoute:
		s.page(x)
	case aliveRoute, readyRoute: // the client may not probe
		x.Fail(fault.Of(fault.NotFound))
	default:
		if !s.redirected(x) {
			s.file(x)
		}
	}
}

func (s *Site) post(x *session.Exchange) {
	if string(x.Path()) != uploadRoute {
		x.Fail(fault.Of(fault.RefusedMethod))
		return
	}
	s.upload(x)
}

// begin begins an answer with what every answer of the site has, except for reports and probes.
func (s *Site) begin(x *session.Exchange, status int, length int64) *http1.Head {
	h := x.Begin(status, length)
	h.Raw(s.cors.always)
	h.Raw(s.cors.lineFor(x))
	return h
}

// fail refuses a request because of an error from the file system.
func (s *Site) fail(x *session.Exchange, err error) {
	f := faultOf(err)
	if f.Status >= 500 {
		s.tell(x, err)
	}
	if f.Reason == fault.OutsideRoot && s.cfg.Outside != nil {
		s.outside.Do(func() { s.cfg.Outside(string(x.Path())) })
	}
	x.Fail(f)
}

func (s *Site) tell(x *session.Exchange, err error) {
	if s.cfg.Trouble != nil {
		s.cfg.Trouble(x, err)
	}
}

func faultOf(err error) fault.Fault {
	switch {
	case errors.Is(err, sysnet.ErrNotFound), errors.Is(err, filecache.ErrFolder), errors.Is(err, sysnet.ErrNameTooLong):
		return fault.Of(fault.NotFound)
	case errors.Is(err, sysnet.ErrForbidden):
		// A file that we may not read is not meant to be served, and the client need not know that
		// it is there (RFC 9110 15.5.4 allows 404 for that).
		return fault.Of(fault.NotFound)
	case errors.Is(err, sysnet.ErrOutside):
		return fault.Of(fault.OutsideRoot)
	case errors.Is(err, errInvalidJSON):
		return fault.Of(fault.BadJSON)
	case sysnet.IsFull(err):
		return fault.Of(fault.DiskFull)
	case sysnet.IsBusy(err):
		return fault.Fault{Status: 503, Reason: fault.Internal}
	}
	return fault.Of(fault.Internal)
}
