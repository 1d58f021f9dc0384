package machine

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestADriverMayCallWhatFitsTheLastWantAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		name string
		want Want
		may  Call
	}{
		{"reading", WantRead, CallRead | CallStep | CallClose},
		{"writing", WantWrite, CallWrite | CallStep | CallClose},
		{"both at once", WantRead | WantWrite, CallRead | CallWrite | CallStep | CallClose},
		{"waiting for another machine", WantPeer, CallStep | CallClose},
		{"slow work", WantWake, CallWork | CallStep | CallClose},
		{"ending the sending direction", WantShut, CallStep | CallClose},
		{"closing", WantClose, CallClose},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for c := CallRead; c <= CallClose; c <<= 1 {
				var o Order
				o.Wanted(tt.want)
				if tt.may&c != 0 {
					require.NotPanics(t, func() { o.Called(c) })
				} else {
					require.Panics(t, func() { o.Called(c) })
				}
			}
		})
	}
}

func TestNothingMayBeCalledBeforeAMachineIsOpenedOrAfterItIsClosed(t *testing.T) {
	var o Order
	require.Panics(t, func() { o.Called(CallStep) })
	o.Opened()
	o.Called(CallRead)
	o.Called(CallStep)
	o.Called(CallClose)
	for c := CallRead; c <= CallClose; c <<= 1 {
		require.PanicsWithValue(t, "machine: "+map[Call]string{CallRead: "read", CallWrite: "write", CallWork: "Work", CallStep: "Step", CallClose: "Close"}[c]+" out of order",
			func() { o.Called(c) })
	}
}

func TestAWantSaysItsName(t *testing.T) {
	require.Equal(t, "WantRead", WantRead.String())
	require.Equal(t, "WantRead|WantWrite", (WantRead | WantWrite).String())
}
