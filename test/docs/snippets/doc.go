// Package snippets holds the parts of docs/patterns.md that are Go. They are examples, so that go
// test runs them; a test of test/docs compares them with the page.
package snippets
