/*
 * The exchange ring, slot ownership after deaths, and gates: sections 1 and 2 of docs/design.md.
 *
 * Every atomic { } or d_step { } below is one load, store or compare-and-swap of shared memory with the
 * local work around it: processes interleave, die and stop between any two of them. README.md lists the
 * bounds; run.sh the configurations.
 */

#ifndef N
#define N 2                     /* entries */
#endif
#ifndef K0
#define K0 1                    /* slots owned by record 0 and record 1 */
#endif
#ifndef K1
#define K1 1
#endif
#define RECORDS 2
#define PAIRS   2               /* room in a record */
#define SLOTS   (N + K0 + K1)
#ifndef Q0
#define Q0 2                    /* messages of publishers 0 and 1 and of the heir */
#endif
#ifndef Q1
#define Q1 2
#endif
#ifndef Q2
#define Q2 1
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef LOSSY
#define LOSSY 0
#endif
#ifndef RELIABLE
#define RELIABLE 0
#endif
#define LONGEST 9
#define CAP (N / 2 < 2 -> 2 : N / 2)    /* N/2; a ring of 2 entries needs 2 to move at all */

typedef Entry  { byte lap; byte slot }                          /* the tag plays no part */
typedef Pair   { byte mine; byte displaced }
typedef Record { Pair owned[PAIRS]; byte truth[PAIRS]; byte owner }
typedef Slot   { byte position; byte first; byte second }       /* header, and a payload in two halves */

Entry  entry[N];
Slot   slot[SLOTS];
Record record[RECORDS];

bool gate_closed;               /* the subscriber record's gate word {generation, closed}, and its cursor */
byte gate_generation;
byte cursor;
byte subscriber;                /* its owner: 1 the first, 2 the next */
bool subscriber_dead[3];

/* What only the model knows: truth[] above, the slot that a pair really owns, and: */
byte head;                      /* positions below are published */
byte log[LONGEST];              /* what they carry */
bool dead[3];
bool finished[3];

#define pairs_of(r)     ((r) == 0 -> K0 : K1)
#define lap_of(p)       ((p) / N + 1)
#define settled(r, i)   (record[r].owned[i].mine == record[r].owned[i].displaced)
#define message(me, sq) (((me) + 1) * 8 + (sq))

#ifdef MUT_UNSETTLED_IS_EVIDENCE
#define is_evidence(r, i) true
#else
#define is_evidence(r, i) settled(r, i)
#endif

/* Is slot s in an entry, or in a settled pair other than pair y of record x? */
#define in_entry(s) (entry[0].slot == (s) || entry[1].slot == (s) || entry[N / 2].slot == (s) || entry[N - 1].slot == (s))
#define in_pair(s, r, n, x, y) ((n) < pairs_of(r) && !((x) == (r) && (y) == (n)) && settled(r, n) && record[r].owned[n].mine == (s))
#define known(s, x, y)  (in_entry(s) || in_pair(s, 0, 0, x, y) || in_pair(s, 0, 1, x, y) || in_pair(s, 1, 0, x, y) || in_pair(s, 1, 1, x, y))
#define evidence(x, y)  (known(record[x].owned[y].mine, x, y) || known(record[x].owned[y].displaced, x, y))

#ifdef MUT_NO_CAP
#define least_at_first 200
#define limit_from_least limit = least + N
#else
#define least_at_first p - 1
#define limit_from_least limit = (least + N < p - 1 + CAP -> least + N : p - 1 + CAP)
#endif
#ifdef MUT_HELPER_FORGETS_GENERATION
#define same_generation true
#else
#define same_generation gate_generation == generation
#endif
#ifdef MUT_NO_SECOND_LOAD
#define unchanged true
#else
#define unchanged (entry[c % N].lap == w.lap && entry[c % N].slot == w.slot)
#endif
#define must_wait (gate_closed && cursor + N <= p)

/* The head: where the laps fall by one, by binary search. */
inline find_head(result) {
	atomic { lap = entry[0].lap; low = 0; high = N };
	do
	:: atomic { high - low == 1 ->
		result = (lap == 0 -> 0 : (lap - 1) * N + high);
		lap = 0; low = 0; high = 0; break }
	:: d_step { high - low > 1 ->
		mid = (low + high) / 2;
		if
		:: lap > 0 && entry[mid].lap >= lap -> low = mid
		:: else -> high = mid
		fi;
		mid = 0 }
	od
}

/* A slot seen in an entry, or in a settled pair: the dead owner of pair i of record `mine` does not
 * own it. */
inline seen() {
	if
	:: record[mine].owned[i].mine == z -> verdict = record[mine].owned[i].displaced
	:: record[mine].owned[i].displaced == z -> verdict = record[mine].owned[i].mine
	:: else
	fi;
	z = 0
}
#define NONE 255

/* Looks for evidence that tells which slot pair i owns, in every entry and every other pair, one load
 * each. */
inline settle() {
	atomic { verdict = NONE; if :: k = 0 :: k = N fi };     /* in any order: or the pairs alone, this time */
#ifdef MUT_IN_FLIGHT_IS_MINE
	atomic { verdict = record[mine].owned[i].mine };
#endif
#ifdef MUT_IN_FLIGHT_IS_DISPLACED
	atomic { verdict = record[mine].owned[i].displaced };
#endif
	do
	:: d_step { k < N && verdict == NONE -> z = entry[k].slot; seen(); k++ }
	:: d_step { k >= N && k < N + RECORDS * PAIRS && verdict == NONE ->
		r = (k - N) / PAIRS; j = (k - N) % PAIRS;
		if
		:: j < pairs_of(r) && !(r == mine && j == i) && is_evidence(r, j) ->
			z = record[r].owned[j].mine; seen();
			z = record[r].owned[j].displaced; seen()        /* a settled pair has the same slot twice */
		:: else
		fi;
		r = 0; j = 0; k++ }
	:: atomic { k == N + RECORDS * PAIRS || verdict != NONE ->
		if
		:: verdict != NONE ->
			assert(verdict == record[mine].truth[i]);       /* handed out: no other record owns it */
			record[mine].owned[i].mine = verdict;
			record[mine].owned[i].displaced = verdict
		:: else
		fi;
		k = 0; verdict = NONE; break }
	od
}

/*
 * A publisher. With `heir`, it waits until the owner of record `mine` has died, takes the record
 * over and settles what was in flight; where there is no evidence yet it goes on with its other
 * slots.
 */
proctype Publisher(byte me; byte mine; byte quota; bool heir)
{
	Entry w;
	byte p, limit, i, k, r, j, z, verdict = NONE, lap, low, mid, high, sq, generation;
	short least;
	{
		if
		:: heir ->
end_heir:		atomic { dead[record[mine].owner] -> record[mine].owner = me };
			do
			:: atomic { i == pairs_of(mine) -> i = 0; break }
			:: atomic { i < pairs_of(mine) && settled(mine, i) -> i++ }
			:: atomic { i < pairs_of(mine) && !settled(mine, i) }; settle(); atomic { i++ }
			od
		:: !heir
		fi;
		find_head(p);
retry:		do
		:: atomic { sq == quota -> break }

		:: atomic { sq < quota && !settled(mine, i) ->
			/* Only the heir comes here. One slot of several without evidence is passed
			 * over. */
			if
			:: pairs_of(mine) > 1 && settled(mine, 1 - i) -> i = 1 - i
			:: else -> goto look_again
			fi };

		:: atomic { sq < quota && settled(mine, i) ->           /* fill: three stores */
			assert(record[mine].owned[i].mine == record[mine].truth[i]);
			slot[record[mine].owned[i].mine].first = message(me, sq) };
		   atomic { slot[record[mine].owned[i].mine].second = message(me, sq) };
next_position:
		   if
		   :: atomic { p < limit }
		   :: atomic { p >= limit -> goto scan }
		   fi;
attempt:	   atomic {
			w.lap = entry[p % N].lap; w.slot = entry[p % N].slot;
			if
			:: w.lap >= lap_of(p) ->                        /* gallop: w itself is a filled predecessor */
				p = (w.lap - 1) * N + p % N + 1; w.lap = 0; w.slot = 0; goto next_position
			:: else -> assert(w.lap == lap_of(p) - 1)
			fi };
		   atomic { slot[record[mine].owned[i].mine].position = p };
		   atomic { record[mine].owned[i].displaced = w.slot };
		   atomic {                                             /* compare-and-swap */
			if
			:: entry[p % N].lap == w.lap && entry[p % N].slot == w.slot ->
				entry[p % N].lap = lap_of(p);
				entry[p % N].slot = record[mine].owned[i].mine;
				record[mine].truth[i] = w.slot;
				assert(p == head);                      /* no holes */
				log[head] = message(me, sq); head++
			:: else -> w.lap = 0; w.slot = 0; p++; goto next_position
			fi };
		   atomic { record[mine].owned[i].mine = w.slot;        /* one word: {slot(w), slot(w)} */
			w.lap = 0; w.slot = 0; p++; sq++; i = (i + 1) % pairs_of(mine) };
		od;
		goto done;

look_again:	/* no slot to publish: until there is evidence, this process only looks */
		atomic { evidence(mine, i) };
		settle();
		goto retry;

scan:		/* the gate first, then its cursor; and nothing above what was seen published */
		atomic { least = least_at_first };
#if RELIABLE
		if
		:: atomic { !gate_closed }
		:: atomic { gate_closed -> generation = gate_generation };
		   atomic { least = (cursor < least -> cursor : least) }
		fi;
#endif
		atomic {
			limit_from_least; least = 0;
			if
			:: p < limit -> generation = 0; goto attempt
			:: else
			fi };
#if RELIABLE
		if
		:: atomic { !must_wait || gate_generation != generation -> generation = 0; goto scan }
		:: atomic { must_wait && subscriber_dead[generation] };
		   atomic {                                             /* opens the gate of the dead */
			if
			:: gate_closed && same_generation -> gate_closed = false
			:: else
			fi;
			generation = 0; goto scan }
		fi;
#else
		assert(false);
#endif
done:		finished[me] = true
	}
#if CRASHES
	unless { atomic { dead[me] ->
		w.lap = 0; w.slot = 0; p = 0; limit = 0; i = 0; k = 0; verdict = NONE; lap = 0; low = 0; high = 0;
		sq = 0; generation = 0; least = 0 } }
#endif
}

#if CRASHES
proctype Death()
{
	byte crashes = CRASHES;
end:	do
	:: d_step { crashes > 0 && !dead[0] && !finished[0] -> dead[0] = true; crashes-- }
	:: d_step { crashes > 0 && !dead[1] && !finished[1] -> dead[1] = true; crashes-- }
	od
}
#endif

/* Reads position c: the entry, the slot in three loads, the entry again. */
inline consume() {
	atomic { entry[c % N].lap >= lap_of(c) ->
		w.lap = entry[c % N].lap; w.slot = entry[c % N].slot;
		if
		:: w.lap > lap_of(c) -> w.lap = 0; w.slot = 0; goto lapped
		:: else
		fi };
	atomic { first = slot[w.slot].first };
	atomic { second = slot[w.slot].second };
	atomic { position = slot[w.slot].position };
	atomic {
		if
		:: unchanged ->
			assert(first == second && position == c && first == log[c]);
			assert(first % 8 >= expected[first / 8 - 1]);
			expected[first / 8 - 1] = first % 8 + 1;
			first = 0; second = 0; position = 0; w.lap = 0; w.slot = 0;
			c++
		:: else ->
			first = 0; second = 0; position = 0; w.lap = 0; w.slot = 0;
			goto lapped
		fi }
}

#if LOSSY
byte lossy_at;
proctype Lossy()
{
	Entry w;
	byte c, start, h, received, lost, first, second, position, lap, low, mid, high;
	byte expected[3];
	find_head(c);
	start = c;
end:	do
	:: consume(); received++;
	   assert(received + lost == c - start); lossy_at = c
	od;
lapped:	/* jump to what is still held */
	find_head(h);
	atomic {
		assert(h - N + 1 > c && h <= head);
		lost = lost + (h - N + 1 - c); c = h - N + 1; h = 0;
		goto end }
}
#endif

#if RELIABLE
proctype Reliable(byte me)
{
	Entry w;
	byte c, first, second, position, lap, low, mid, high;
	byte expected[3];
	{
		if
		:: me == 1
		:: me > 1 ->
end_next:		atomic { subscriber_dead[subscriber] -> subscriber = me; gate_closed = false }
		fi;
		find_head(c);
		atomic { cursor = c };
		atomic { gate_closed = true; gate_generation = me };    /* the generation of its owner */
#ifndef MUT_START_BEFORE_GATE
		find_head(c);
		atomic { cursor = c };
#endif
end:		do
		:: consume(); cursor = c
		od;
lapped:		assert(false)                                           /* it loses nothing */
	} unless { atomic { subscriber_dead[me] ->
		w.lap = 0; w.slot = 0; c = 0; first = 0; second = 0; position = 0; lap = 0; low = 0; high = 0 } }
}
#if RELIABLE > 1
proctype DeathOfSubscriber()
{
end:	atomic { subscriber_dead[1] = true }
}
#endif
#endif

/* When no process can continue: every slot is in one place, and the readers have seen the end. */
proctype Quiet()
{
	byte x, y, round;
	timeout -> d_step {
		do
		:: round < 4 ->
			x = (round + 1) % RECORDS; y = 0;
			round++;
			do
			:: x < RECORDS && y < pairs_of(x) ->
				if
				:: !settled(x, y) && known(record[x].owned[y].mine, x, y) -> record[x].owned[y].mine = record[x].owned[y].displaced
				:: !settled(x, y) && !known(record[x].owned[y].mine, x, y) && known(record[x].owned[y].displaced, x, y) ->
					record[x].owned[y].displaced = record[x].owned[y].mine
				:: else
				fi;
				y++
			:: else -> break
			od
		:: else -> break
		od;
		x = 0; y = 0;
		do
		:: x < RECORDS && y < pairs_of(x) ->
			assert(settled(x, y) && record[x].owned[y].mine == record[x].truth[y] && !in_entry(record[x].truth[y]));
			y++
		:: x < RECORDS && y == pairs_of(x) -> x++; y = 0
		:: x == RECORDS -> break
		od;
#if LOSSY
		assert(lossy_at == head || lossy_at == 0);
#endif
	}
}

init {
	byte x;
	d_step {
		do
		:: x < N -> entry[x].slot = x; x++
		:: else -> break
		od;
		record[0].owner = 0; record[1].owner = 1;
		record[0].owned[0].mine = N; record[0].owned[0].displaced = N; record[0].truth[0] = N;
#if K0 > 1
		record[0].owned[1].mine = N + 1; record[0].owned[1].displaced = N + 1; record[0].truth[1] = N + 1;
#endif
		record[1].owned[0].mine = N + K0; record[1].owned[0].displaced = N + K0; record[1].truth[0] = N + K0;
#if K1 > 1
		record[1].owned[1].mine = N + K0 + 1; record[1].owned[1].displaced = N + K0 + 1; record[1].truth[1] = N + K0 + 1;
#endif
		subscriber = 1; x = 0
	}
	atomic {
		run Publisher(0, 0, Q0, false);
		run Publisher(1, 1, Q1, false);
#if CRASHES
		run Publisher(2, 0, Q2, true);
		run Death();
#endif
#if LOSSY
		run Lossy();
#endif
#if RELIABLE
		run Reliable(1);
#endif
#if RELIABLE > 1
		run Reliable(2);
		run DeathOfSubscriber();
#endif
		run Quiet()
	}
}
