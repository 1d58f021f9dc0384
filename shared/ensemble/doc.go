// Package ensemble plays all machines together: sessions with a site and with targets behind it,
// tunnels, TLS, PROXY headers, relays, queues and pipes, driven as an event loop drives them. The
// kernel, the clients, the targets and the clock are in memory. It has tests only.
//
// Each machine has tests of its own, in which its peers do one thing after the other and the driver
// notices each at once. Here a course of events decides what happens, who notices it and when. So
// what one machine does in the moment in which another one's socket breaks is seen as well.
package ensemble
