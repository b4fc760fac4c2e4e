// Package cli holds what the commands share: exit codes, signals, one-line errors, sizes and
// rates for people, tables.
//
//	func main() { cli.Main(run) }
//
//	func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error
//
// args does not contain the program's name. [Main] turns run's error into the exit code and, if
// there is something to say, one line on standard error:
//
//	nil                             0
//	a reader of stdout that went    0, silently
//	the signal that ended ctx       0, silently
//	ErrFailed                       1, silently: run has said why
//	any other error                 1
//	an ExitError                    its code
//	Usagef                          2
//	ErrTimeout                      3
package cli
