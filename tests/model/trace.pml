#ifndef TRACE
#define TRACED       false
#define DUE(k, who)  true
#define ENTRY_DUE(s) true
#define NEXT         skip
#endif
