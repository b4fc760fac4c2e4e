package bus

import "shmbus/layout"

// NewSizes returns the sizes that [Create] gives a bus with these options, of which some are rounded and some follow from
// others, or the error with which Create would refuse them. It does not look at the host.
func NewSizes(opts ...Option) (layout.Geometry, error) {
	m, err := layout.NewMap(newConfig(opts).Geometry)
	return m.Geometry, err
}
