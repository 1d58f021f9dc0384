package sysnet

// The sockets that a machine has opened itself, as it sees them. Its tests put others in the place
// of the system's, and so play its peers.
//
// What must not be done: nothing here may wait.

// Sockets is what such a machine needs of the system.
type Sockets interface {
	Connect(Addr) (fd int, err error)
	Connected(fd int) error
	Placeholder() (fd int, err error) // a socket at which nothing ever happens
	Read(fd int, p []byte) (int, error)
	Silent(fd int) bool     // the peer has neither sent anything nor closed
	Unsent(fd int) int64    // bytes that the kernel holds for the peer
	OnlyHungUp(fd int) bool // both directions have ended in order; some of it may still be read
}

// System is the sockets of the system.
var System Sockets = system{}

type system struct{}

func (system) Connect(a Addr) (int, error)        { return Connect(a) }
func (system) Connected(fd int) error             { return Connected(fd) }
func (system) Placeholder() (int, error)          { return Placeholder() }
func (system) Read(fd int, p []byte) (int, error) { return ReadNow(fd, p) }
func (system) Silent(fd int) bool                 { return Silent(fd) }
func (system) Unsent(fd int) int64                { return Unsent(fd) }
func (system) OnlyHungUp(fd int) bool             { return OnlyHungUp(fd) }
