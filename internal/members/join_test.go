//go:build linux

package members

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"shmbus/internal/segment"
	"shmbus/internal/segment/segtest"
	"shmbus/layout"
	"shmbus/sysvsem"
)

// A client that takes the record of a dead one never makes the dead client look alive, at whatever
// step it is stopped. Nor does it look dead itself once it has joined.
func TestJoinerDoesNotReviveTheDead(t *testing.T) {
	seg := segtest.New(t, segtest.Clients(2))
	m := newMember(t, seg)
	dead, kill := another(t, seg, true)
	kill()
	require.False(t, seg.Alive(dead))
	c := dead.Client()

	// The first step of a joiner, which is stopped after it.
	claim := []sysvsem.Op{{Num: layout.SemLive(c), Op: layout.LiveJoining, Flags: sysvsem.NoWait}}
	require.NoError(t, seg.Set.TryOp(claim))
	require.False(t, seg.Alive(dead))
	require.False(t, seg.Census()(dead))
	_, err := Join(seg, Profile{})
	var full *segment.FullError
	require.ErrorAs(t, err, &full, "nobody else takes the record")
	_, vacant := m.vacate(0, seg.Alive)
	require.True(t, vacant, "the gate of the dead holds nobody")

	// It goes on.
	me, err := takeClient(seg, c, Profile{})
	require.NoError(t, err)
	require.True(t, seg.Alive(me))
	require.False(t, seg.Alive(dead))
	require.Zero(t, m.markTheDead(lives(t, seg)))
	require.NoError(t, Leave(seg, me))
	require.False(t, seg.ClientLives(c))
}

// A joiner that looks for a free client record, and is slow, does not take one in which a client
// has lived and died since: watchers may not have looked yet.
func TestSlowJoinerSparesTheDead(t *testing.T) {
	for _, marked := range []bool{false, true} {
		t.Run(fmt.Sprintf("marked=%v", marked), func(t *testing.T) {
			seg := segtest.New(t)
			m := newMember(t, seg)
			var died []int
			watch := m.newDeathWatch(func(d Death) { died = append(died, d.Client) })
			list := vacanciesOf(seg)
			dead, kill := another(t, seg, false)
			c := dead.Client()
			require.Equal(t, list[0].client, c)
			kill()
			if marked {
				require.Equal(t, 1, m.markTheDead(lives(t, seg)))
			}
			before := bell(t, seg)

			_, ok, err := joinOneOf(seg, list, true, Profile{})
			require.NoError(t, err)
			require.False(t, ok)
			require.False(t, seg.ClientLives(c), "the record is as it was")
			require.Equal(t, before+1, bell(t, seg), "and everybody looks again")
			require.NotEqual(t, c, join(t, seg).Client())
			watch.look(lives(t, seg))
			require.Equal(t, []int{c}, died)

			// Where there is nothing else, that record will do.
			me, ok, err := joinOneOf(seg, list[:1], false, Profile{})
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, c, me.Client())
			require.NoError(t, Leave(seg, me))
		})
	}
}

// A record is that of one client, and not of the next that takes that client's record.
func TestAliveIsOfOneGeneration(t *testing.T) {
	seg := segtest.New(t)
	me := join(t, seg)
	c, g := me.Client(), me.Generation()
	require.True(t, seg.Alive(me))
	require.False(t, seg.Alive(layout.MakeOwner(c, g-1, layout.OwnerHeld)))
	require.False(t, seg.Alive(layout.MakeOwner(c, g+1, layout.OwnerHeld)))
	require.False(t, seg.Alive(0), "nobody")
}
