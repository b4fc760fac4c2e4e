// Package tables has what make bench prints: a table for each question, a file for each table.
//
// A table makes rows by asking [Bench.Ask] a [Question], which measures the bus and what it is
// compared with in alternation, and registers itself in init with [Register]. It may make rows of
// its own, too, where a question is of another kind.
package tables
