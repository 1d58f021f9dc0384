package machinetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"fourways/shared/machine"
	"fourways/shared/offload"
)

type idle struct{}

func (idle) Adopt(int, machine.Machine)           {}
func (idle) Nudge(int)                            {}
func (idle) Offload(offload.Kind, func(), func()) {}

// A leg whose other end has room again would read, but its driver does not know of that before
// the next step: until then its socket may only have broken.
func TestALegIsReadOnlyIfItsDriverWasToldSo(t *testing.T) {
	a, b := Relay(idle{}, 3, 4, func() {})
	require.True(t, a.Reads())
	for b.(*leg).out.Len() < most {
		a.Received(len(a.Recv()))
	}
	require.Equal(t, machine.WantPeer, a.Step())
	require.Equal(t, machine.WantWrite|machine.WantRead, b.Step())
	b.Out().Ack(b.Out().Len() / 2)
	require.False(t, a.Reads())
	require.Equal(t, machine.WantRead, a.Step())
	require.True(t, a.Reads())
}
