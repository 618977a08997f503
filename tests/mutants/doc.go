// Program mutants plants bugs, one at a time, and sees that the suite catches
// each: `make mutants`. A suite that cannot fail proves nothing.
//
// A mutant is a file in planted/: what the bug is, the file it is in, the test
// that must fail, and the text that it replaces. It is compiled in the place
// of that file (`go test -overlay`), so that the tree is left as it is. What
// does not compile, and a test that ends without failing, catches nothing.
package main
