package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"shmbus/bus"
)

// completeRequest is the first argument with which a completion script asks for the words that can
// come next on a command line. Cobra's own word for it, like its word "completion", could be the
// topic of a message.
const completeRequest = "--complete-request"

// Execute runs a command that has no subcommands. Unlike cobra's Execute, it leaves all arguments
// to the command: no argument is a request for completion. It adds --version and --completion.
func Execute(ctx context.Context, cmd *cobra.Command, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cmd.SetIn(stdin)
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetContext(ctx)
	AddVersion(cmd)
	shell := cmd.Flags().String("completion", "", "print the completion script for `SHELL`: "+strings.Join(shells, ", "))
	if len(args) > 0 && args[0] == completeRequest {
		cmd.SetArgs(append([]string{cobra.ShellCompRequestCmd}, args[1:]...))
		return cmd.Execute()
	}
	cmd.InitDefaultHelpFlag()
	cmd.InitDefaultVersionFlag()
	if err := cmd.ParseFlags(args); err != nil {
		return cmd.FlagErrorFunc()(cmd, err)
	}
	flag := func(name string) bool {
		set, _ := cmd.Flags().GetBool(name)
		return set
	}
	switch {
	case flag("help"):
		return cmd.Help()
	case flag("version"):
		_, err := io.WriteString(stdout, cmd.Name()+" "+cmd.Version+"\n")
		return err
	case cmd.Flags().Changed("completion"):
		return writeCompletion(cmd, *shell, stdout)
	}
	return cmd.RunE(cmd, cmd.Flags().Args())
}

// AddVersion adds the flag --version to a command, which prints [VersionText].
func AddVersion(cmd *cobra.Command) {
	cmd.Version = VersionText()
	cmd.SetVersionTemplate(cmd.Name() + " {{.Version}}\n")
}

// values describes the values of a flag, by the type that pflag gives for them.
var values = map[string]string{
	"bool": "true or false", "int": "a whole number", "uint64": "a whole number without a sign",
	"float64": "a number, as 2.5", "duration": "a duration, as 1.5s or 200ms",
}

// FlagError replaces an error of pflag that names one of Go's functions by one that says which
// values the flag takes. It returns other errors as they are.
func FlagError(err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return err
	}
	takes := values[bad.GetFlag().Value.Type()]
	switch {
	case takes == "":
		return err
	case errors.Is(err, strconv.ErrRange):
		return fmt.Errorf("--%s %q is too large: use %s", bad.GetFlag().Name, bad.GetValue(), takes)
	}
	return fmt.Errorf("--%s %q: use %s", bad.GetFlag().Name, bad.GetValue(), takes)
}

var shells = []string{"bash", "zsh", "fish", "powershell"}

// writeCompletion prints cobra's completion script, changed to ask the command with
// completeRequest.
func writeCompletion(cmd *cobra.Command, shell string, w io.Writer) error {
	var script strings.Builder
	var err error
	switch shell {
	case "bash":
		err = cmd.GenBashCompletionV2(&script, false)
	case "zsh":
		err = cmd.GenZshCompletionNoDesc(&script)
	case "fish":
		err = cmd.GenFishCompletion(&script, false)
	case "powershell":
		err = cmd.GenPowerShellCompletion(&script)
	default:
		return Usagef("--completion %q: use one of %s", shell, strings.Join(shells, ", "))
	}
	if err != nil {
		return err
	}
	asks := strings.NewReplacer(" "+cobra.ShellCompNoDescRequestCmd+" ", " "+completeRequest+" ", " "+cobra.ShellCompRequestCmd+" ", " "+completeRequest+" ")
	_, err = asks.WriteString(w, script.String())
	return err
}

// CompleteBuses completes an argument, or the value of a flag, with the names of the buses that
// exist.
func CompleteBuses(_ *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
	infos, _ := bus.List()
	given := make(map[string]bool, len(args))
	for _, a := range args {
		given[a] = true
	}
	var names []cobra.Completion
	for _, i := range infos {
		if strings.HasPrefix(i.Name, toComplete) && !given[i.Name] {
			names = append(names, i.Name)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
