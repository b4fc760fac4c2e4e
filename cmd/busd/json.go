package main

import (
	"encoding/json"
	"io"
)

// writeJSON prints v, on several lines for people, or on one line in a stream of values.
func writeJSON(w io.Writer, v any, indent bool) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	if indent {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}
