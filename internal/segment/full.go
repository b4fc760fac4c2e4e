package segment

import "fmt"

// A FullError says that a table of the segment has no free record.
type FullError struct {
	Table string // "clients", "publishers", "subscribers", "topics"
	Unfit error  // why free records were passed over; nil if there were none
}

func (e *FullError) Error() string {
	if e.Unfit != nil {
		return fmt.Sprintf("no %s left that can be used: %v", e.Table, e.Unfit)
	}
	return fmt.Sprintf("no %s left", e.Table)
}

func (e *FullError) Unwrap() error { return e.Unfit }
