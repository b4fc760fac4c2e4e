package tables

import (
	"cmp"
	"context"
	"io"
	"slices"
	"time"

	"shmbus/test/bench/host"
)

// A Table answers one question by some rows.
type Table struct {
	Name  string // for --only and the result file
	Order int    // in which tables are printed
	Title string
	Notes []string // what a reader must know to read it
	Rows  func(ctx context.Context, b *Bench, each func(Row)) error
}

var all []Table

// Register makes a table known. It is for package initialisation.
func Register(t Table) {
	all = append(all, t)
	slices.SortStableFunc(all, func(x, y Table) int { return cmp.Compare(x.Order, y.Order) })
}

// All returns the tables in their order.
func All() []Table { return all }

// A Bench is what a table measures with.
type Bench struct {
	Host   *host.Host
	Rounds int           // to keep
	Run    time.Duration // about how long each run takes
	Full   bool          // more cases
	Idle   time.Duration // how long it is watched who does nothing
	Busd   string        // the path of the daemon; empty if there is none
	Log    io.Writer     // what is going on
}

// A Row is one case of a table, measured while the processors were in one class.
type Row struct {
	Case    string         `json:"case"`
	Params  map[string]any `json:"params,omitempty"` // of the case, for plots
	Class   host.Class     `json:"class,omitempty"`
	Rounds  int            `json:"rounds,omitempty"`
	Thrown  int            `json:"thrown,omitempty"`
	Figures []Figure       `json:"figures,omitempty"`
	Noisy   string         `json:"noisy,omitempty"`  // why the figures, if there are any, are not to be believed; the command goes on
	Failed  string         `json:"failed,omitempty"` // why there are no figures; the command fails, too

	Distributions []Distribution `json:"distributions,omitempty"`
}

// A Figure is one cell.
type Figure struct {
	Column  string  `json:"column"`
	Unit    string  `json:"unit,omitempty"` // "ratio" is printed with its range
	Median  float64 `json:"median"`
	Min     float64 `json:"min"`
	Max     float64 `json:"max"`
	Target  *Target `json:"target,omitempty"`
	Skipped string  `json:"skipped,omitempty"` // why there is none: this host lacks what it needs
}

// A Distribution is how long something took, by percentiles.
type Distribution struct {
	Of     string    `json:"of"`
	Unit   string    `json:"unit"`
	Count  int64     `json:"count"`
	Points []Percent `json:"points"`
}

// A Percent is a percentile of a distribution.
type Percent struct {
	Percent float64 `json:"percent"`
	Value   int64   `json:"value"`
}

func spread(column, unit string, s host.Spread) Figure {
	return Figure{Column: column, Unit: unit, Median: s.Median, Min: s.Min, Max: s.Max}
}
