// Package orders is `order sign` and `order submit`: a quorum that does not sit in one room.
package orders
