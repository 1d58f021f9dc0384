package app

import (
	"encoding/json"
	"math"

	"fourways/shared/filecache"
	"fourways/shared/stats"
	"fourways/shared/sysnet"
)

// report is /health's JSON, but for what the stage adds.
type report struct {
	Status      string `json:"status"` // up, draining or degraded
	Uptime      int64  `json:"uptime"` // seconds
	Stage       string `json:"stage"`
	Connections struct {
		Active  int64  `json:"active"`
		MaxSeen int64  `json:"max_seen"`
		Total   uint64 `json:"total_handled"`
	} `json:"connections"`
	Requests struct {
		Total   uint64 `json:"total"`
		Dropped uint64 `json:"dropped"` // connections turned away without a request
		Blocked uint64 `json:"blocked"` // by a check or a limit
	} `json:"requests"`
	System struct {
		Load1  float64 `json:"load_1m"`
		Load5  float64 `json:"load_5m"`
		Load15 float64 `json:"load_15m"`
	} `json:"system"`
	Cache struct {
		SizeMB  float64 `json:"size_mb"`
		HitRate float64 `json:"hit_rate"` // percent
		Items   int     `json:"items"`
	} `json:"cache"`
	Mitigations uint64  `json:"ddos_mitigations"` // clients banned
	RateFactor  float64 `json:"rate_factor"`      // of -rate that holds now
}

// health is what /health answers: 200 while the server is up, 503 while it drains. It
// may be called by all threads at once.
func (a *App) health(b []byte) (status int, body []byte) {
	s := a.Stats
	began, _ := s.Began()
	r := report{Status: "up", Uptime: (int64(sysnet.Now()) - began) / 1e9, Stage: a.stage.Name}
	status = 200
	switch {
	case s.Stopping():
		r.Status, status = "draining", 503
	case s.Failing() > 0:
		r.Status, status = "degraded", 503
	}
	r.Connections.Active, r.Connections.MaxSeen = a.Server.Conns(), s.MaxActive()
	r.Connections.Total = s.Total(stats.Opened)
	r.Requests.Total, r.Requests.Dropped, r.Requests.Blocked = s.Total(stats.Requests), s.Total(stats.Dropped), s.Blocked()
	load := sysnet.LoadAverage()
	r.System.Load1, r.System.Load5, r.System.Load15 = round(load[0], 2), round(load[1], 2), round(load[2], 2)
	cache := a.cacheStats()
	r.Cache.SizeMB = round(float64(cache.Bytes)/(1<<20), 2)
	r.Cache.HitRate, r.Cache.Items = round(cache.HitRate(), 1), cache.Items
	r.Mitigations, r.RateFactor = s.Mitigated(), a.Server.Limiter.Factor()

	b = appendJSON(b, r)
	b = append(b[:len(b)-1], ',') // what the stage adds goes on in the same object
	return status, append(append(b, appendJSON(nil, a.driver.Health())[1:]...), '\n')
}

// cacheStats is the sum of the caches of all processes: of this one as it is now, of the
// others as they have published it.
func (a *App) cacheStats() (sum filecache.Stats) {
	a.PublishCache()
	for i := range a.Stats.Processes() {
		p := a.Stats.Process(i)
		sum.Bytes += p.CacheBytes.Load()
		sum.Items += int(p.CacheItems.Load())
		sum.Hits += p.CacheHits.Load()
		sum.Misses += p.CacheMisses.Load()
	}
	return sum
}

// PublishCache tells the other processes about this one's cache. What an earlier process
// had counted in the same entry stays counted.
func (a *App) PublishCache() {
	now := a.site.Cache().Stats()
	p := a.Stats.Process(a.stage.Process)
	p.CacheBytes.Store(now.Bytes)
	p.CacheItems.Store(int64(now.Items))
	p.CacheHits.Add(now.Hits - a.published.hits.Swap(now.Hits))
	p.CacheMisses.Add(now.Misses - a.published.misses.Swap(now.Misses))
}

func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // numbers and strings only
	}
	return append(b, text...)
}

func round(f float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(f*unit) / unit
}
