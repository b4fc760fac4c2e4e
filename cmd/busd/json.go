package main

import (
	"encoding/json"
	"io"
)

// writeJSON prints v, over several lines for people who look, on one for a stream of values.
func writeJSON(w io.Writer, v any, indent bool) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if indent {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}
