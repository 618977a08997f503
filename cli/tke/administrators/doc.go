// Package administrators is the administrators and thresholds of crypto units: by an order, and by hand in imprint mode.
package administrators
