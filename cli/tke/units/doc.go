// Package units is crypto units: which are selected, how they are configured, and how they become part of the instance, leave it and
// are cleared.
package units
