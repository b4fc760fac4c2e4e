//go:build linux

package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTable(t *testing.T) {
	table := Table{Head: []string{"NAME", "LAG>", "NOTE"}}
	var b strings.Builder
	require.NoError(t, table.Write(&b, ""))
	require.Empty(t, b.String(), "a table without rows")

	table.Row("précis", "7")
	table.Row("x\x1b[2J", "12345", "late")
	require.NoError(t, table.Write(&b, "  "))
	require.Equal(t, `  NAME        LAG  NOTE
  précis        7  -
  x\x1b[2J  12345  late
`, b.String())
}

func TestTableDropsEmptyColumns(t *testing.T) {
	table := Table{Head: []string{"A", "B", "C"}}
	table.Row("1", "", "3")
	table.Row("4", "", "")
	table.DropEmpty()
	require.Equal(t, []string{"A", "C"}, table.Head)
	require.Equal(t, [][]string{{"1", "3"}, {"4", ""}}, table.Rows)
}

func TestPrintable(t *testing.T) {
	require.Equal(t, `naïve "x"`, Printable(`naïve "x"`))
	require.Equal(t, `a\nb\x1b"c"`, Printable("a\nb\x1b\"c\""))
	require.Equal(t, `\xff`, Printable("\xff"))
}

func TestTableFits(t *testing.T) {
	table := Table{Head: []string{"NAME", "LAG>", "AGE>"}}
	table.Row("reader", "1234567", "3s")
	fit := func(characters int) string {
		t := Table{Head: table.Head, Rows: append([][]string{}, table.Rows...)}
		t.Fit(characters, "  ", "AGE>", "NAME")
		return strings.Join(t.Head, " ")
	}
	require.Equal(t, "NAME LAG> AGE>", fit(22), "  reader  1234567  AGE")
	require.Equal(t, "NAME LAG>", fit(21))
	require.Equal(t, "NAME LAG>", fit(17))
	require.Equal(t, "LAG>", fit(16))
	require.Equal(t, "LAG>", fit(1), "what is not named stays")

	table = Table{Head: []string{"PATTERN", "STATE"}}
	table.Row("a.rather.long.pattern.>", "asleep")
	table.Row("a.>", "awake")
	table.Fit(25, "  ")
	var b strings.Builder
	require.NoError(t, table.Write(&b, "  "))
	require.Equal(t, "  PATTERN          STATE\n  a.rather.long.…  asleep\n  a.>              awake\n", b.String())
}
