/* What is true after every step. */

#define HOLDS(who, what) (unit[who].cur == (what) || unit[who].new == (what) && unit[who].fixed)

inline invariants() {
	/* Every live key opens under exactly the epoch that the state says: before the flip by the blob that was there, after it by
	 * the one that was made of it; and no unit drops a master key that some blob still needs. */
	for (j : 1 .. n) { assert(num[j].cur == pat && (pairs || !num[j].bad)) }
	for (v : 0 .. UNITS - 1) { assert(HOLDS(v, pat)) }

	/* The old epoch stays until every unit has dropped the old master key, or is fenced. */
	if
	:: st == ACTIVATING -> for (j : 1 .. last) { assert(num[j].old == was) }
	:: else
	fi;

	/* At most one master key an order. */
	for (v : 0 .. UNITS - 1) {
		assert(unit[v].ord != ord || unit[v].key == 0 || unit[v].key == to || to == 0 && v == GENERATOR)
	}

	/* What the state counts is in the unit's file. */
	for (v : 0 .. UNITS - 1) {
		assert(!(ready & BIT(v)) || unit[v].ord == ord);
		assert(!((loaded | committed) & BIT(v)) || unit[v].ord == ord && (unit[v].key == to || unit[v].how == ENDED));
		assert(!(committed & BIT(v)) || unit[v].fixed || unit[v].how == DONE || unit[v].how == ENDED);
		assert(!(activated & BIT(v)) || unit[v].cur == to && unit[v].new == 0);
		assert(!(cleared & BIT(v)) || unit[v].cur == was && unit[v].new == 0)
	}

	/* After complete the old master key opens nothing in any unit that is not fenced; a cancel restores what was. */
	if
	:: st == COMPLETE || st == CANCELLED ->
		for (j : 1 .. n) { assert(num[j].next == 0 && num[j].old == 0) }
		for (v : 0 .. UNITS - 1) { assert((fenced & BIT(v)) || unit[v].cur == pat && unit[v].new == 0) }
	:: else
	fi
}

/* No flip before every live key has a new blob that another unit verified, or that came as a pair; and every unit holds the new
 * master key. */
inline check_flip() {
	for (j : 1 .. n) {
		assert(num[j].next == to && !num[j].bad && (num[j].by == 0 || (num[j].seen & ~BIT(num[j].by - 1)) != 0))
	}
	assert(committed == ALL)
}
