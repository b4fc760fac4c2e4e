package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"shmbus/layout"
)

// Version is the version of the commands and of the module.
const Version = "v0.2.0"

// VersionText is what --version prints after the name of the command: the version, the commit if it
// is known, and the layout of the segments that the command can attach.
func VersionText() string {
	commit := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		modified := ""
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				commit = s.Value[:min(len(s.Value), 12)]
			case s.Key == "vcs.modified" && s.Value == "true":
				modified = " and changes"
			}
		}
		if commit != "" {
			commit += modified + ", "
		}
	}
	return fmt.Sprintf("%s (%ssegment layout %d, %s %s/%s)", Version, commit, layout.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
