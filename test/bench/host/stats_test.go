package host

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
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

func isNoise(err error) bool {
	var noise *NoiseError
	return errors.As(err, &noise)
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
			kept, thrown, err := contest([]func() (Turn, error){turn("A", 6), turn("B", 2)}, script(c.probes...), Rules{Rounds: 3, Each: func(Round) { shown++ }})
			var classes []Class
			for _, r := range kept {
				classes = append(classes, r.Class)
			}
			if isNoise(err) != c.fails || thrown != c.thrown || !slices.Equal(classes, c.classes) {
				t.Errorf("kept %v, thrown out %d, %v", classes, thrown, err)
			}
			if want := strings.Repeat("ABBA", shown)[:2*shown]; order != want {
				t.Errorf("order %s, want %s", order, want)
			}
			for _, r := range kept {
				if r.Turns[0].N != 6 || r.Turns[1].N != 2 {
					t.Errorf("turns %v: A is first, whoever began", r.Turns)
				}
			}
		})
	}
}

func TestContestEndsWithTheFirstError(t *testing.T) {
	broken := errors.New("broken")
	good := func() (Turn, error) { return value(1), nil }
	bad := func() (Turn, error) { return Turn{}, broken }
	if _, _, err := contest([]func() (Turn, error){good, bad}, script(80), Rules{Rounds: 3}); err != broken {
		t.Error(err)
	}
	if _, _, err := contest([]func() (Turn, error){good}, func() (float64, error) { return 0, broken }, Rules{Rounds: 3}); err != broken {
		t.Error(err)
	}
}

// A round in which the metric finds noise is thrown out, as one is of another class than is wanted;
// whatever else is wrong is not.
func TestRulesSayWhatIsKept(t *testing.T) {
	loud := Metric{Of: func(t Turn) (float64, error) {
		switch t.N {
		case 13:
			return 0, &NoiseError{"bad luck"}
		case 14:
			return 0, errors.New("broken")
		}
		return float64(t.N), nil
	}}
	for _, c := range []struct {
		name         string
		rules        Rules
		probes       []float64
		turns        []int
		kept, thrown int
		noise        string
	}{
		{"noise", Rules{Rounds: 2, Metric: loud}, []float64{80}, []int{1, 13, 13, 2}, 2, 2, ""},
		{"noise for ever", Rules{Rounds: 2, Metric: loud}, []float64{80}, []int{1, 13}, 1, 5, "bad luck"},
		{"an error of another kind", Rules{Rounds: 2, Metric: loud}, []float64{80}, []int{14}, 2, 0, ""},
		{"one class is wanted", Rules{Rounds: 2, Class: Close}, []float64{400, 400, 80}, []int{1}, 2, 2, ""},
		{"which never comes", Rules{Rounds: 2, Class: Near}, []float64{80}, []int{1}, 0, 21, "close"},
		{"rounds of all classes", Rules{Rounds: 3}, []float64{80, 80, 400, 400}, []int{1}, 3, 1, ""},
		{"rounds of one class", Rules{Rounds: 3, OneClass: true}, []float64{80, 80, 400, 400}, []int{1}, 4, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			turn := func() (Turn, error) {
				n := c.turns[0]
				if len(c.turns) > 1 {
					c.turns = c.turns[1:]
				}
				return value(n), nil
			}
			kept, thrown, err := contest([]func() (Turn, error){turn}, script(c.probes...), c.rules)
			if len(kept) != c.kept || thrown != c.thrown {
				t.Errorf("kept %v, thrown out %d", kept, thrown)
			}
			if c.noise == "" && err != nil || c.noise != "" && (!isNoise(err) || !strings.Contains(err.Error(), c.noise)) {
				t.Errorf("%v, want %q", err, c.noise)
			}
		})
	}
}

// The ranks are those of the tables in books on order statistics.
func TestMedianInterval(t *testing.T) {
	for n, want := range map[int]int{
		0: 0, 1: 0, 5: 0, 6: 1, 8: 1, 9: 2, 10: 2, 11: 2, 12: 3, 15: 4, 17: 5, 20: 6, 25: 8, 30: 10, 40: 14, 50: 18, 70: 27, 100: 40, 5000: 2431,
	} {
		if got := medianRank(n); got != want {
			t.Errorf("%d figures: %d, want %d", n, got, want)
		}
	}
	var figures []float64
	for i := range 20 {
		figures = append(figures, float64(20-i))
	}
	if i, ok := MedianInterval(figures); !ok || i != (Interval{6, 15}) {
		t.Errorf("%+v, %v, want 6 to 15", i, ok)
	}
	if _, ok := MedianInterval(figures[:5]); ok {
		t.Error("five figures have an interval")
	}
}

// In 95 of 100 cases or more the interval has the median in it, of figures that are distributed as
// skewed as those of runs.
func TestMedianIntervalHoldsTheMedian(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	const cases, n = 20000, 20
	held := 0
	for range cases {
		figures := make([]float64, n)
		for i := range figures {
			figures[i] = random.ExpFloat64()
		}
		if i, _ := MedianInterval(figures); i.Low <= math.Ln2 && math.Ln2 <= i.High {
			held++
		}
	}
	if share := float64(held) / cases; share < 0.95 || share > 0.968 { // 95.86 % for twenty figures
		t.Errorf("the interval holds the median in %.2f %% of all cases", 100*share)
	}
}
