/* With -DTRACE only the steps of one recorded run are taken (trace.go): the log's entries in their order, each unit's steps in
 * theirs, and a unit's step somewhere between what its replica had when it began and what the log had when it was done. The run
 * is one of the model's if and only if the search comes to the end of all of them. What a unit says may be lost, late, or in the
 * log twice, as the recorded run has it. */
#ifndef TRACE
#define TRACED          false
#define DUE(k, who)     true
#define ENTRY_DUE(s)    true
#define NEXT            skip
#define TOOK(who)       skip
#define BATCH_TO(p)     (FIRST(p) + part[p].cursor)
#else
#define TRACED          true

/* The rows of the run: the log's, then each unit's; read by the program that searches. */
#define ROWS            2000
#define COLUMNS         18
hidden short rows[ROWS * COLUMNS];
#define AT(row, column) rows[(row) * COLUMNS + (column)]
#define KIND            0       /* 0: there are no more */
#define WHO_DID         1
#define LOWEST          2       /* a unit's step: after so many entries at least, */
#define HIGHEST         3       /* and at most */
#define SLOT            4       /* in which it is said, and of an entry the one that it comes from */
#define SAYS            5       /* a unit's step: 0, or what it says */
#define ORDER_NUMBER    6       /* where -1 is, anything may be */
#define MASTER_KEY      7
#define NEXT_KEY        8
#define PART            9
#define PASS            10
#define LEASE           11
#define FROM            12
#define TO              13
#define FLAG            14      /* assign: the partition begins again; order: activation waits; a unit: new is committed */
#define CURRENT         15      /* a unit's registers, current */
#define NEW             16      /* and new; of an entry, whether it is accepted, */
#define STATE           17      /* and the rotation's state after it */

bool begun;
bool strayed;                   /* what it came to is not what was recorded */
bool replayed;
bool hold;
unsigned second : SMALL;        /* the first number of the second partition */
unsigned generator : WHO;
short at;                       /* the log's next row */
short todo[UNITS];              /* each unit's */

#undef PARTITIONS
#undef FIRST
#undef LENGTH
#define PARTITIONS      2
#define FIRST(p)        ((p) == 0 -> 1 : second)
#define LENGTH(p)       ((p) == 0 -> (last < second -> last : second - 1) : (last < second -> 0 : last - second + 1))

#define WAITS(who)      (AT(todo[who], HIGHEST) > at)
#define OVER(who)       (AT(todo[who], KIND) == 0)
#if UNITS == 3
#define EACH(what)      (what(0) && what(1) && what(2))
#elif UNITS == 4
#define EACH(what)      (what(0) && what(1) && what(2) && what(3))
#else
#define EACH(what)      (what(0) && what(1) && what(2) && what(3) && what(4))
#endif

#define IN_LOG(k)       (AT(at, KIND) == (k) && EACH(WAITS))
#define DUE(k, who)     (begun && !strayed && ((k) < ACCEPT -> IN_LOG(k) && AT(at, WHO_DID) == (who) : \
	AT(todo[who], KIND) == (k) && AT(todo[who], LOWEST) <= at))
#define ENTRY_DUE(s)    (begun && !strayed && IN_LOG(m[s].kind) && AT(at, SLOT) == (s))
#define RECALLED(k)     (begun && !strayed && IN_LOG(k))
#define BATCH_TO(p)     AT(todo[u], TO)

/* What the leader and callers propose is their own affair: the state judges it. */
inline recall(s) {
	m[s].kind = AT(at, KIND); m[s].ord = AT(at, ORDER_NUMBER); m[s].key = AT(at, MASTER_KEY); m[s].next = AT(at, NEXT_KEY);
	m[s].part = AT(at, PART); m[s].lease = AT(at, LEASE); m[s].from = AT(at, FROM); m[s].to = AT(at, TO); m[s].begin = AT(at, FLAG)
}

#define LIKE(is, who, column) (AT(todo[who], column) < 0 || AT(todo[who], column) == (is))
#define SAYING(who)     m[AT(todo[who], SLOT)]
#define SAID(who)       (AT(todo[who], SAYS) == 0 || AT(todo[who], SAYS) == SAYING(who).kind && \
	LIKE(SAYING(who).ord, who, ORDER_NUMBER) && LIKE(SAYING(who).key, who, MASTER_KEY) && LIKE(SAYING(who).part, who, PART) && \
	LIKE(SAYING(who).pass, who, PASS) && LIKE(SAYING(who).lease, who, LEASE) && \
	LIKE(SAYING(who).from, who, FROM) && LIKE(SAYING(who).to, who, TO))
#define IS_SO(who)      (LIKE(unit[who].cur, who, CURRENT) && LIKE(unit[who].new, who, NEW) && LIKE(unit[who].fixed, who, FLAG))

inline arrived() {
	replayed = !strayed && AT(at, KIND) == 0 && EACH(OVER);
	assert(!replayed)
}

/* An entry was applied. */
inline next_entry() {
	strayed = strayed || ok != AT(at, NEW) || AT(at, STATE) >= 0 && AT(at, STATE) != st;
	hold = (AT(at, KIND) == ORDER -> AT(at, FLAG) : hold);
	at = (strayed -> at : at + 1);
	c_code { if (now.at > farthest) printf("entries: %d\n", farthest = now.at); };
	arrived()
}

/* A unit took a step. */
inline took(who) {
	strayed = strayed || !SAID(who) || !IS_SO(who);
	todo[who] = todo[who] + !strayed;
	arrived()
}
#define NEXT            next_entry()
#define TOOK(who)       took(who)

c_decl {
	static int farthest = -1;
};

/* The file is rows; the last of them names the first row of each unit, the generator, the second partition and the numbers that
 * are given. */
inline open_trace() {
	c_code {
		FILE *file = fopen("trace.txt", "r");
		int i, x, generator_is, second_is, given;
		for (i = 0; i < ROWS * COLUMNS && fscanf(file, "%d", &x) == 1 && x != 9999; i++) rows[i] = x;
		for (i = 0; i < UNITS; i++) { fscanf(file, "%d", &x); now.todo[i] = x; }
		fscanf(file, "%d %d %d", &generator_is, &second_is, &given);
		now.generator = generator_is; now.second = second_is; now.n = given;
		fclose(file);
	};
	begun = true
}
#endif
