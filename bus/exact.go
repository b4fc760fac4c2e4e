package bus

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"shmbus/internal/segment"
	"shmbus/layout"
)

// A SizesError says which sizes of an existing bus differ from those that the options name together
// with [WithExactSizes].
type SizesError struct {
	Differences []SizeDifference
}

// A SizeDifference is one size of a bus. Name is the name of busd's flag for it.
type SizeDifference struct {
	Name       string
	Asked, Has int
}

func (e *SizesError) Error() string {
	var list []string
	for _, d := range e.Differences {
		list = append(list, fmt.Sprintf("%s %d instead of %d", d.Name, d.Has, d.Asked))
	}
	return fmt.Sprintf("%v than asked for: %s; sizes are fixed at creation: remove the bus (busd rm) "+
		"and make it again, or do without WithExactSizes", ErrSizes, strings.Join(list, ", "))
}

func (e *SizesError) Is(target error) bool { return target == ErrSizes }

// sizePairs returns for each size the one asked for (0 if none was) and the one that the bus has.
func sizePairs(asked, has layout.Geometry) []SizeDifference {
	return []SizeDifference{
		{"slots", asked.Slots, has.Slots}, {"slot-size", asked.SlotSize, has.SlotSize}, {"topics", asked.Topics, has.Topics},
		{"publishers", asked.Publishers, has.Publishers}, {"subscribers", asked.Subscribers, has.Subscribers},
		{"clients", asked.Clients, has.Clients}, {"owned-slots", asked.Owned, has.Owned}, {"max-frame", asked.MaxFrame, has.MaxFrame},
	}
}

// checkSizes returns a *SizesError if exact sizes were asked for and the bus has other sizes.
func (c config) checkSizes(has layout.Geometry) error {
	differ := slices.DeleteFunc(sizePairs(c.asked, has), func(d SizeDifference) bool { return d.Asked == 0 || d.Asked == d.Has })
	if !c.exact || len(differ) == 0 {
		return nil
	}
	return &SizesError{differ}
}

// explainFull returns a [*TableFullError] for an error that says that a table of the segment is
// full, and any other error as it is.
func explainFull(s *segment.Segment, err error) error {
	var full *segment.FullError
	if !errors.As(err, &full) {
		return err
	}
	table := full.Table
	e := &TableFullError{Table: table, Option: "busd --" + table + " or With" + strings.ToUpper(table[:1]) + table[1:]}
	for _, d := range sizePairs(s.Asked, s.Map.Geometry) {
		if d.Name == table {
			e.Size, e.Asked = d.Has, d.Asked
		}
	}
	if full.Unfit != nil {
		return fmt.Errorf("%w, or are free and cannot be used: %w", e, full.Unfit)
	}
	return e
}
