/* The rotation of a master key, as a model that spin searches exhaustively (doc.go).
 *
 *   rotation.pml     sizes, what is kept, what is under way, what comes to pass in the end
 *   state.pml        the replicated state: what each entry of the log does (package fsm)
 *   log.pml          proposals, and their way into the log
 *   unit.pml         a crypto unit and its node (packages cryptounit, node, rewrap)
 *   others.pml       the leader, administrators, callers
 *   invariants.pml   what is true after every step
 *   trace.pml        with -DTRACE: only the steps of one trace are taken
 *
 * Units are 0, 1, 2 in sets of bits, and from 1 where 0 means nobody. Master key 1 is the one at the beginning;
 * the n-th that is drawn is n + 1. */

/* Sizes, and how much may go wrong in one run. */
#ifndef UNITS
#define UNITS 3
#endif
#ifndef GENERATOR
#define GENERATOR (UNITS - 1)
#endif
#ifndef KEYS
#define KEYS 3          /* blob numbers; */
#endif
#ifndef CREATES
#define CREATES 1       /* so many of these come while the model runs */
#endif
#ifndef PARTITION
#define PARTITION 2     /* numbers a partition */
#endif
#ifndef ORDERS
#define ORDERS 1
#endif
#ifndef CANCELS
#define CANCELS 1
#endif
#ifndef HOLD
#define HOLD 0          /* 1: activation waits for an administrator's signature */
#endif
#ifndef CRASHES
#define CRASHES 1       /* of units with their nodes, at any step, */
#endif
#ifndef GONE
#define GONE 0          /* so many of which never return */
#endif
#ifndef CHANGES
#define CHANGES 1       /* of the leader: a proposal is lost, or late */
#endif
#ifndef SPOILS
#define SPOILS 0        /* batches of blobs that are not what was there before */
#endif

#ifndef TRACE
#define LATES  1        /* proposals that are under way and that nobody waits for any more */
#define PASSES 3
#define SMALL  3        /* bits of a number */
#define WHO    2        /* bits of a unit's number, */
#define NOTES  6        /* of passes of partitions, */
#define WROTE  6        /* and of units of partitions */
#endif

/* A bug to plant, and to be found: -DPLANTED=SELF_VERIFY. */
#ifndef PLANTED
#define PLANTED 0
#endif
#define FLIP_EARLY           1
#define SELF_VERIFY          2
#define DROP_OLD_AT_FLIP     3
#define CLEAR_RACES_FLIP     4
#define STALE_LOADED         5
#define TWO_PATTERNS         6
#define COMPLETE_EARLY       7
#define CANCEL_FORGETS       8
#define RESET_KEEPS_VERIFIED 9
#define SINGLE_IN_REWRAP     10
#define SAY_BEFORE_DURABLE   11
#define DROP_OLD_AT_COMMIT   12
#define NOBODY_TAKES_OVER    13
#define NOBODY_IS_FENCED     14
#define BUG(name)            (PLANTED == name)

/* The states of a rotation, by their numbers in the log. */
#define NONE       0
#define PREPARING  1
#define GENERATING 2
#define LOADING    3
#define COMMITTING 4
#define REWRAPPING 5
#define VERIFYING  6
#define REWRAPPED  7
#define ACTIVATING 8
#define COMPLETE   9
#define CANCELLING 10
#define CANCELLED  11

/* Entries of the log: statements of units, and the others. */
#define READY      1
#define GENERATED  2
#define LOADED     3
#define COMMITTED  4
#define VERIFIED   5
#define ACTIVATED  6
#define CLEARED    7
#define WRITTEN    8
#define ASSIGN     9
#define CREATE     10
#define ORDER      11
#define CANCEL     12
#define APPROVE    13
#define FENCE      14

/* Durable steps of a unit, and what befalls it; only traces name them. */
#define ACCEPT     21
#define GENERATE   22
#define LOAD       23
#define COMMIT     24
#define CHECK      25
#define ACTIVATE   26
#define CLEAR      27
#define REWRAP     28
#define CRASH      29
#define START      30

/* How far a unit is with its last order; 0: it had none. */
#define OPEN       1
#define DONE       2    /* activated */
#define ENDED      3    /* cleared */

/* A node: */
#define UP         0
#define DOWN       1
#define LOST       2    /* never returns */

#define ALL        ((1 << UNITS) - 1)
#define BIT(who)   (1 << (who))
#define PARTITIONS ((KEYS + PARTITION - 1) / PARTITION)

/* The replicated state: one copy, since Raft makes it one. */
unsigned st : 4;                /* the rotation's state */
unsigned ord : SMALL;           /* orders accepted; the last is the rotation's */
unsigned pat : SMALL = 1;       /* the cluster's master key, */
unsigned was : SMALL;           /* the one when the order was accepted, */
unsigned to : SMALL;            /* and the one that the order brings; 0: not known yet */
unsigned ready : UNITS;         /* units that have said so */
unsigned loaded : UNITS;
unsigned committed : UNITS;
unsigned activated : UNITS;
unsigned cleared : UNITS;
unsigned fenced : UNITS;        /* units left behind */
bool approved;
bool pairs;                     /* the next epoch is open: new blobs are pairs */
unsigned last : SMALL;          /* N: the rewrap covers 1..last */
unsigned n : SMALL = KEYS - CREATES;    /* blob numbers given */

typedef Partition {
	unsigned cursor : SMALL;    /* numbers that are written */
	unsigned pass : SMALL;
	unsigned lease : SMALL;
	unsigned owner : WHO;       /* 0: nobody */
	unsigned verifier : WHO;
	unsigned verified : WHO;    /* by whom */
	unsigned writers : UNITS;   /* in this pass */
}
Partition part[PARTITIONS];

/* The blobs of a number: the master key that each is under; 0: there is none. The last three are nobody's knowledge, for the
 * invariants. */
typedef Number {
	unsigned cur : SMALL = 1;   /* of the current epoch, of numbers 1..n */
	unsigned next : SMALL;
	unsigned old : SMALL;       /* of the epoch before the flip */
	bit bad;                    /* the next one is not what is in the current one */
	unsigned by : WHO;          /* who rewrapped it; 0: it came as a pair */
	unsigned seen : UNITS;      /* units that opened and compared both */
}
Number num[KEYS + 1];

/* A unit's sealed file, and its node. */
typedef Unit {
	unsigned cur : SMALL = 1;   /* the current register */
	unsigned new : SMALL;       /* the new register; 0: Empty */
	bool fixed;                 /* it is Full Committed */
	unsigned ord : SMALL;       /* its last order, */
	unsigned how : 2;           /* how far that is, */
	unsigned key : SMALL;       /* and the one master key that it had under it */
	unsigned notes : NOTES;      /* partitions and passes that it rewrapped */
	unsigned up : 2;
}
Unit unit[UNITS];
unsigned lives : UNITS = ALL;   /* the units that are up, */
unsigned nodes : WHO = UNITS;   /* and how many these are */

/* Proposals under way: one of each unit, of the leader and of a caller, and late ones that nobody waits for any more. */
typedef Message {
	unsigned kind : 4;          /* 0: none */
	unsigned by : WHO;          /* the unit that says it */
	unsigned ord : SMALL;       /* the order that it names */
	unsigned key : SMALL;       /* the master key that it names, or that its blobs are under */
	unsigned next : SMALL;      /* of a pair */
	unsigned part : 1;
	unsigned pass : SMALL;
	unsigned lease : SMALL;
	unsigned from : SMALL;      /* numbers from..to; assign: the owner */
	unsigned to : SMALL;        /* assign: the verifier */
	bool begin;                 /* assign: the partition begins again */
	bool bad;
}
#define LEADER     UNITS
#define CALLER     (UNITS + 1)
#define LATE       (UNITS + 2)
#define SLOTS      (UNITS + 2 + LATES)
Message m[SLOTS];

/* A leader's memory: partitions found spoiled, and units that told that they cannot verify. */
unsigned spoilt : 2;
unsigned wrote : WROTE;

unsigned fresh : SMALL = 2;     /* the next master key that is drawn */
unsigned crashes : SMALL = CRASHES;
unsigned gone : SMALL = GONE;
unsigned changes : SMALL = CHANGES;
unsigned spoils : SMALL = SPOILS;
unsigned cancels : SMALL = CANCELS;
unsigned creates : SMALL = CREATES;

hidden byte j, p, v;            /* for use within one step */
hidden byte ok;                 /* the entry was accepted */
hidden byte every;

#define IS_OPEN     (st != NONE && st != COMPLETE && st != CANCELLED)
#define CANCELLABLE (IS_OPEN && st != ACTIVATING && st != CANCELLING)
#define ENDING      (st == CANCELLING || st == CANCELLED)
#define WORKING     (st == REWRAPPING || st == VERIFYING)
#define QUORUM      (nodes * 2 > UNITS)
#define ALIVE(who)  (unit[who].up == UP)
#define FIRST(p)    ((p) * PARTITION + 1)
#define LENGTH(p)   (FIRST(p) > last -> 0 : (last - FIRST(p) + 1 > PARTITION -> PARTITION : last - FIRST(p) + 1))
#define ALL_WRITTEN(p) (part[p].cursor == LENGTH(p))

#include "trace.pml"
#include "invariants.pml"
#include "state.pml"
#include "log.pml"
#include "unit.pml"
#include "others.pml"

/* Faults are counted, so every run comes to an end of faults. Nothing goes round for ever, so this holds without fairness. */
#ifdef ALL_RETURN
ltl completes { <> (st == COMPLETE && fenced == 0) }
#endif
#ifdef QUORUM_RETURNS
ltl completes_once_committed { [] (st >= REWRAPPING && st <= ACTIVATING -> <> (st == COMPLETE)) }
#endif
#ifdef CANCEL_ENDS
ltl ends { <> (st == COMPLETE || st == CANCELLED) }
#endif
