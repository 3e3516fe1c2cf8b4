// A policy module in C, without a library: no bulk exports at night.
//
// It keeps to docs/contract.md and nothing else: the frame's header, the cells of two job facts, the answer. The positions
// below follow from policy.toml, as `exportgate inspect --json` prints them.

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long i64;

_Static_assert(sizeof(u32) == 4 && sizeof(u64) == 8, "the words of the contract");

// ---- the contract ----

enum { FRAME_ROWS = 1, FRAME_COLUMNS, FRAME_QUESTIONS, FRAME_VALUES_JOB = 5, FRAME_STATES_JOB = 9, FRAME_LENGTH = 14, FRAME_HEADER = 16 };
#define FRAME_TAG 0x45474601ull
#define ANSWER_TAG 0x45474101u
enum { STATE_VALUE = 0 };

// ---- the manifest ----

enum { FACT_CUSTOMERS, FACT_NOW, FACTS };
enum { POLICY_WORKING_HOURS, POLICY_QUIET_HOURS, POLICY_ROWS_AND_FIELDS };
enum { QUESTION_EXPORT, QUESTIONS = 5 };

// ---- the policy ----

// Jobs up to this many customers aren't bulk.
static const i64 BULK_ABOVE = 25;
static const i64 HOUR_MS = 3600000;
// From 20:00 to 06:00, UTC.
static const i64 QUIET_FROM_HOUR = 20, QUIET_TO_HOUR = 6;

static int is_quiet(i64 now_ms) {
    // Before 1970 the remainder is negative, and still tells the hour after one day is added.
    i64 hour = ((now_ms % (24 * HOUR_MS)) + 24 * HOUR_MS) % (24 * HOUR_MS) / HOUR_MS;
    return hour >= QUIET_FROM_HOUR || hour < QUIET_TO_HOUR;
}

// ---- memory: what one call takes, given back when it ends ----

extern u8 __heap_base;
static u32 heap_next;

static u32 allocate(u32 bytes, u32 alignment) {
    if (heap_next == 0) heap_next = (u32)&__heap_base;
    u64 begin = ((u64)heap_next + alignment - 1) / alignment * alignment;
    u64 end = begin + bytes;
    u64 have = (u64)__builtin_wasm_memory_size(0) << 16;
    if (end > have) {
        u64 pages = (end - have + 65535) >> 16;
        if (end > 0xffffffffull || __builtin_wasm_memory_grow(0, (u32)pages) == (__SIZE_TYPE__)-1) __builtin_trap();
    }
    heap_next = (u32)end;
    return (u32)begin;
}

__attribute__((export_name("cabi_realloc")))
u32 cabi_realloc(u32 old, u32 old_bytes, u32 alignment, u32 bytes) {
    if (alignment == 0) __builtin_trap();
    u32 made = allocate(bytes, alignment);
    u8 *to = (u8 *)made, *from = (u8 *)old;
    for (u32 i = 0; i < old_bytes && i < bytes; i++) to[i] = from[i];
    return made;
}

__attribute__((export_name("cabi_post_evaluate")))
void cabi_post_evaluate(u32 result) {
    (void)result;
    heap_next = 0;
}

// ---- the call ----

struct list { u32 begin, length; };

// The value of a job fact, where it has one.
static int read_job(const u64 *frame, u32 words, u32 fact, i64 *value) {
    u64 values = frame[FRAME_VALUES_JOB], states = frame[FRAME_STATES_JOB];
    if (values > words || words - values < FACTS || states >= words) __builtin_trap();
    u8 state = (u8)(frame[states + fact / 8] >> (fact % 8 * 8));
    *value = (i64)frame[values + fact];
    return state == STATE_VALUE;
}

__attribute__((export_name("evaluate")))
struct list *evaluate(const u64 *frame, u32 words) {
    if (words < FRAME_HEADER || frame[0] != FRAME_TAG || frame[FRAME_LENGTH] != words) __builtin_trap();
    u64 asked = frame[FRAME_QUESTIONS];
    if (asked > QUESTIONS || asked > words - FRAME_HEADER) __builtin_trap();

    struct list *result = (struct list *)allocate(sizeof *result, 4);
    // At most one outcome of one policy, three words, and one point, for each question.
    u32 *answer = (u32 *)allocate((2 + 4 * (u32)asked) * 4, 4);
    u32 at = 0;
    answer[at++] = ANSWER_TAG;
    answer[at++] = (u32)asked;
    for (u32 i = 0; i < asked; i++) {
        u32 satisfied = POLICY_ROWS_AND_FIELDS;
        int erring = 0;
        if (frame[FRAME_HEADER + i] >= QUESTIONS) __builtin_trap();
        if (frame[FRAME_HEADER + i] == QUESTION_EXPORT) {
            i64 customers, now;
            // Cedar's way of a missing value: the policy that reads it errs, and the host denies.
            int known = read_job(frame, words, FACT_CUSTOMERS, &customers);
            known &= read_job(frame, words, FACT_NOW, &now);
            erring = !known;
            satisfied = !erring && customers > BULK_ABOVE && is_quiet(now) ? POLICY_QUIET_HOURS : POLICY_WORKING_HOURS;
        }
        answer[at++] = !erring;
        answer[at++] = erring;
        answer[at++] = satisfied;
    }
    // No question varies over rows or columns, so each has one point, with the outcome of its own.
    for (u32 i = 0; i < asked; i++) answer[at++] = i;
    result->begin = (u32)answer;
    result->length = at;
    return result;
}
