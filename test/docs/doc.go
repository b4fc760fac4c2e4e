// Package docs tests that what README and docs show works as it stands there: see its tests.
package docs
