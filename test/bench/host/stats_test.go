package host

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		figures []float64
		want    Spread
	}{
		{[]float64{3}, Spread{1, 3, 3, 3}},
		{[]float64{4, 1}, Spread{2, 2.5, 1, 4}},
		{[]float64{9, 1, 5}, Spread{3, 5, 1, 9}},
		{[]float64{1, 100, 2, 3}, Spread{4, 2.5, 1, 100}},
	} {
		if got := SpreadOf(c.figures); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.figures, got, c.want)
		}
	}
}

func TestQuantile(t *testing.T) {
	hundred := make([]uint32, 100)
	for i := range hundred {
		hundred[i] = uint32(100 - i)
	}
	for percent, want := range map[float64]float64{0: 1, 1: 1, 50: 50, 99: 99, 99.9: 100, 100: 100} {
		if got, err := quantile(hundred, percent); got != want || err != nil {
			t.Errorf("p%v of 1 to 100: %v, %v, want %v", percent, got, err, want)
		}
	}
	if _, err := quantile(nil, 50); err == nil {
		t.Error("the median of nothing is something")
	}
}

func TestClasses(t *testing.T) {
	for rtt, want := range map[float64]Class{60: Close, 149.9: Close, 150: Near, 200: Near, 299: Near, 300: Far, 450: Far} {
		if got := ClassOf(rtt); got != want {
			t.Errorf("%v ns: %s, want %s", rtt, got, want)
		}
	}
}

// value is a turn whose figure is n.
func value(n int) Turn { return Turn{N: n} }

var itself = Metric{Of: func(t Turn) (float64, error) { return float64(t.N), nil }}

// A ratio is that of figures of the same round: the median of ratios, not the ratio of medians.
func TestRatioIsOfTheSameRound(t *testing.T) {
	rounds := []Round{
		{Turns: []Turn{value(10), value(5)}, Class: Close},
		{Turns: []Turn{value(100), value(200)}, Class: Far},
		{Turns: []Turn{value(40), value(10)}, Class: Close},
		{Turns: []Turn{value(60), value(20)}, Class: Close},
	}
	var classes []Class
	for class, of := range ByClass(rounds) {
		classes = append(classes, class)
		ratio, err := Ratio(of, 0, 1, itself)
		want := map[Class]Spread{Close: {3, 3, 2, 4}, Far: {1, 0.5, 0.5, 0.5}}[class]
		if err != nil || ratio != want {
			t.Errorf("%s: %+v, %v, want %+v", class, ratio, err, want)
		}
		if b, _ := Absolute(of, 1, itself); class == Close && b != (Spread{3, 10, 5, 20}) {
			t.Errorf("B: %+v", b)
		}
	}
	if !slices.Equal(classes, []Class{Close, Far}) {
		t.Errorf("classes %v: that with most rounds first", classes)
	}
}

// script returns a probe that answers with the times given, one after the other, the last for ever.
func script(times ...float64) func() (float64, error) {
	return func() (float64, error) {
		rtt := times[0]
		if len(times) > 1 {
			times = times[1:]
		}
		return rtt, nil
	}
}

func TestMixedRoundsAreThrownOut(t *testing.T) {
	for _, c := range []struct {
		name         string
		probes       []float64
		kept, thrown int
		classes      []Class
		fails        bool
	}{
		{"steady", []float64{80}, 3, 0, []Class{Close, Close, Close}, false},
		{"moves between A and B", []float64{80, 400}, 3, 1, []Class{Far, Far, Far}, false},
		{"moves after B", []float64{80, 80, 200}, 3, 1, []Class{Near, Near, Near}, false},
		{"away and back", []float64{80, 400, 80}, 3, 1, []Class{Close, Close, Close}, false},
		{"moves between rounds", []float64{80, 80, 80, 400, 400, 400}, 3, 1, []Class{Close, Far, Far}, false},
		{"varies within a class", []float64{310, 420, 380, 305, 450, 390, 330}, 3, 0, []Class{Far, Far, Far}, false},
		{"never holds still", slices.Repeat([]float64{80, 400}, 20), 0, 7, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			order := ""
			turn := func(name string, n int) func() (Turn, error) {
				return func() (Turn, error) { order += name; return value(n), nil }
			}
			shown := 0
			kept, thrown, err := contest([]func() (Turn, error){turn("A", 6), turn("B", 2)}, script(c.probes...), 3, func(Round) { shown++ })
			var classes []Class
			for _, r := range kept {
				classes = append(classes, r.Class)
			}
			if (err != nil) != c.fails || thrown != c.thrown || !slices.Equal(classes, c.classes) {
				t.Errorf("kept %v, thrown out %d, %v", classes, thrown, err)
			}
			if want := fmt.Sprint(shown); order != string(slices.Concat(slices.Repeat([]byte("AB"), shown))) {
				t.Errorf("order %s in %s rounds", order, want)
			}
		})
	}
}

func TestContestEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	good := func() (Turn, error) { return value(1), nil }
	bad := func() (Turn, error) { return Turn{}, broken }
	if _, _, err := contest([]func() (Turn, error){good, bad}, script(80), 3, nil); err != broken {
		t.Error(err)
	}
	if _, _, err := contest([]func() (Turn, error){good}, func() (float64, error) { return 0, broken }, 3, nil); err != broken {
		t.Error(err)
	}
}
