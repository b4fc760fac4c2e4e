package tables

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"shmbus/test/bench/host"
	"shmbus/test/bench/worker"
)

// A Side is a contender as one question has it.
type Side struct {
	Label  string
	Spec   host.Spec
	Places []host.Place // of its workers; those of the question, if empty
}

// A Beside is an absolute figure that is shown beside the ratios.
type Beside struct {
	Label  string // of the side
	Column string
	Metric host.Metric
}

// A Question compares one side with others.
type Question struct {
	Case   string
	Params map[string]any
	Ours   Side
	Others []Side
	Places []host.Place
	Metric host.Metric
	Beside []Beside
	Target map[string]Target                 // by column
	Times  func(host.Turn) ([]uint32, error) // nanoseconds, where the distribution matters
}

// A FailedError says that a case has no figures, and why.
type FailedError struct {
	Case string
	Err  error
}

func (e *FailedError) Error() string { return e.Case + ": " + e.Err.Error() }
func (e *FailedError) Unwrap() error { return e.Err }

// Ask answers a question with a row for each class that the processors were in. A side that this
// host cannot have has its columns skipped. A side that fails, or does not deliver what was sent,
// fails the whole question: there is a row that says so, and the error is a [*FailedError]. Where
// the machine leaves too few rounds that are to be believed, the row says that it is noisy, and
// there is no error.
func (b *Bench) Ask(ctx context.Context, q Question, each func(Row)) error {
	rows, err := b.ask(ctx, q)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		each(Row{Case: q.Case, Params: q.Params, Failed: err.Error()})
		return &FailedError{q.Case, err}
	}
	for _, r := range rows {
		each(r)
	}
	return nil
}

func (b *Bench) ask(ctx context.Context, q Question) (rows []Row, err error) {
	fmt.Fprintf(b.Log, "%s …\n", q.Case)
	sides := append([]Side{q.Ours}, q.Others...)
	skipped := map[string]string{}
	entrant := map[string]int{} // of a side's label
	var entrants []host.Entrant
	for _, s := range sides {
		places := s.Places
		if len(places) == 0 {
			places = q.Places
		}
		e, err := b.Host.Enter(ctx, s.Spec, places, b.Run)
		if errors.Is(err, worker.ErrSkipped) && s.Label != q.Ours.Label {
			_, why, _ := strings.Cut(err.Error(), worker.ErrSkipped.Error()+": ")
			skipped[s.Label] = s.Spec.Contender + ": " + why
			continue
		}
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, e.Close()) }()
		entrant[s.Label] = len(entrants)
		entrants = append(entrants, e)
	}
	if len(skipped) == len(q.Others) && len(q.Others) > 0 {
		row := Row{Case: q.Case, Params: q.Params}
		for _, s := range q.Others {
			row.Figures = append(row.Figures, Figure{Column: "÷ " + s.Label, Skipped: skipped[s.Label]})
		}
		return []Row{row}, nil
	}
	rounds, thrown, err := b.Host.Contest(ctx, entrants, host.Rules{Rounds: b.Rounds, Metric: q.Metric})
	var noise *host.NoiseError
	noisy := ""
	if errors.As(err, &noise) {
		noisy, err = noise.Why, nil
	}
	if err != nil {
		return nil, err
	}
	if len(rounds) == 0 {
		return []Row{{Case: q.Case, Params: q.Params, Thrown: thrown, Noisy: noisy}}, nil
	}
	for class, rounds := range host.ByClass(rounds) {
		row := Row{Case: q.Case, Params: q.Params, Class: class, Rounds: len(rounds), Thrown: thrown, Noisy: noisy}
		if err := q.fill(&row, rounds, sides, entrant, skipped); err != nil {
			return nil, err
		}
		rows = append(rows, row)
		thrown = 0
	}
	return rows, nil
}

// fill makes the figures of a row: ratios, then the medians of all sides, then what stands beside.
func (q Question) fill(row *Row, rounds []host.Round, sides []Side, entrant map[string]int, skipped map[string]string) error {
	for _, s := range sides[1:] {
		column := "÷ " + s.Label
		if why := skipped[s.Label]; why != "" {
			row.Figures = append(row.Figures, Figure{Column: column, Skipped: why})
			continue
		}
		ratio, err := host.Ratio(rounds, 0, entrant[s.Label], q.Metric)
		if err != nil {
			return err
		}
		row.Figures = append(row.Figures, spread(column, "ratio", ratio))
	}
	beside := q.Beside
	for i := len(sides) - 1; i >= 0; i-- {
		beside = append([]Beside{{sides[i].Label, sides[i].Label, q.Metric}}, beside...)
	}
	for _, c := range beside {
		if why := skipped[c.Label]; why != "" {
			row.Figures = append(row.Figures, Figure{Column: c.Column, Skipped: why})
			continue
		}
		s, err := host.Absolute(rounds, entrant[c.Label], c.Metric)
		if err != nil {
			return err
		}
		row.Figures = append(row.Figures, spread(c.Column, c.Metric.Unit, s))
	}
	for i, f := range row.Figures {
		if t, ok := q.Target[f.Column]; ok {
			row.Figures[i].Target = &t
		}
	}
	if q.Times == nil {
		return nil
	}
	for _, s := range sides {
		if skipped[s.Label] != "" {
			continue
		}
		d, err := distribution(s.Label, rounds, entrant[s.Label], q.Times)
		if err != nil {
			return err
		}
		row.Distributions = append(row.Distributions, d)
	}
	return nil
}
