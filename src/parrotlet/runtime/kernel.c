/* The compiled path of the runtime: plain C99 called through ctypes, no Python headers, no dependencies.
 *
 * The engine is compiled once for each instruction set of x86-64 where the compiler can (GCC, Clang) and once
 * elsewhere; the best one that the processor has is chosen when a call comes in. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "model.h"
#include "philox.h"

#if defined(_MSC_VER)
#define EXPORT __declspec(dllexport)
#define INLINE static __forceinline
#define UNROLL
#define restrict __restrict
#elif defined(__GNUC__)
#define EXPORT __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#else
#define EXPORT
#define INLINE static inline
#define UNROLL
#endif

/* The penalty on tokens that prolong a repetition; `longest` is all zero before and after. */
static void pl_dry(const pl_rules *rules, const int64_t *history, int64_t length, float *values, int32_t *longest) {
    const int64_t first = length > rules->dry_window ? length - rules->dry_window : 0;
    const int64_t limit = rules->dry_length + rules->dry_reach;
    int64_t end, m;
    for (end = first + 1; end < length; end++) {
        if (history[end - 1] != history[length - 1]) continue;
        for (m = 1; m < limit && end - 1 - m >= first && history[end - 1 - m] == history[length - 1 - m]; m++) {}
        if (m >= rules->dry_length && m > longest[history[end]]) longest[history[end]] = (int32_t)m;
    }
    for (end = first + 1; end < length; end++) {
        double penalty = rules->dry_multiplier;
        int32_t *repeated = &longest[history[end]];
        if (*repeated == 0) continue;
        for (m = rules->dry_length; m < *repeated; m++) penalty *= rules->dry_base;
        values[history[end]] -= (float)(penalty < rules->dry_largest ? penalty : rules->dry_largest);
        *repeated = 0;
    }
}

/* Adds an id to the history and, where they are kept, to the counts of the last `penalty_window` ids. */
static void pl_remember(const pl_rules *rules, int64_t *history, int64_t *length, int32_t *counts, int64_t id) {
    history[(*length)++] = id;
    if (!counts) return;
    counts[id]++;
    if (rules->penalty_window > 0 && *length > rules->penalty_window)
        counts[history[*length - 1 - rules->penalty_window]]--;
}

static void pl_count(const pl_rules *rules, const int64_t *history, int64_t length, int32_t *counts) {
    int64_t i = rules->penalty_window > 0 && length > rules->penalty_window ? length - rules->penalty_window : 0;
    for (; i < length; i++) counts[history[i]]++;
}

/* Four bytes as one number. */
static int32_t pl_four(const void *bytes) {
    int32_t four;
    memcpy(&four, bytes, 4);
    return four;
}

/* The n-th of matrices of one shape that are packed one after the other. */
static pl_matrix pl_nth(const pl_matrix *first, int64_t n) {
    const int64_t depth = first->scales ? (first->depth + 3) / 4 * 4 : (int64_t)sizeof(float) * first->depth;
    pl_matrix matrix = *first;
    matrix.weights = (const char *)first->weights + n * depth * first->width;
    if (first->scales) {
        matrix.scales += n * first->width;
        matrix.corrections += n * first->width;
    }
    return matrix;
}

#if defined(__x86_64__) || defined(_M_X64)
#define PL_X86
#include <emmintrin.h>
/* The sum and the largest of four lanes, by halves, and how many of four bits are set. */
static float pl_lane_sum(__m128 v) {
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_shuffle_ps(v, v, 1)));
}
static float pl_lane_maximum(__m128 v) {
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_shuffle_ps(v, v, 1)));
}
static int pl_ones(int bits) { return (int)(UINT64_C(0x4332322132212110) >> 4 * bits & 15); }
#endif

#if defined(PL_X86) && defined(__GNUC__)
#include <immintrin.h>
#define PL_DISPATCH
#ifdef __clang__ /* knows no prefer-vector-width here, and would drop the whole attribute */
#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#else
#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512"
#endif

#define NAME(name) name##_v5
#define TARGET __attribute__((target(AVX512 ",avx512vnni")))
#define OFFSET 128 /* it multiplies unsigned bytes by signed ones */
#define ADD_PRODUCTS(s, x, w) _mm512_dpbusd_epi32(s, x, w)
#include "avx512.h"
#include "instance.h"

#define NAME(name) name##_v4
#define TARGET __attribute__((target(AVX512)))
#define OFFSET 0
#define ADD_PRODUCTS(s, x, w) pl_add_products_v4(s, x, w)
/* Sizes times weights with their signs: two products of at most 127 * 127 fit into 16 bits. */
INLINE TARGET __m512i pl_add_products_v4(__m512i sum, __m512i x, __m512i weights) {
    const __m512i turned = _mm512_mask_sub_epi8(weights, _mm512_movepi8_mask(x), _mm512_setzero_si512(), weights);
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(x), turned);
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}
#include "avx512.h"
#include "instance.h"

#define NAME(name) name##_v3
#define TARGET __attribute__((target("avx2,fma")))
#include "avx2.h"
#include "instance.h"
#endif

#define NAME(name) name##_base
#define TARGET
#include "baseline.h"
#include "instance.h"

/* 5 AVX-512 that multiplies bytes, 4 AVX-512, 3 AVX2 with FMA, 0 none of them. */
static int pl_level(void) {
#ifdef PL_DISPATCH
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma"))
        return __builtin_cpu_supports("avx512vnni") ? 5 : 4;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 3;
#endif
    return 0;
}

#ifdef PL_DISPATCH
#define CALL(level, name, arguments)            \
    do {                                            \
        if ((level) == 5) name##_v5 arguments;      \
        else if ((level) == 4) name##_v4 arguments; \
        else if ((level) == 3) name##_v3 arguments; \
        else name##_base arguments;                 \
    } while (0)
#else
#define CALL(level, name, arguments) name##_base arguments
#endif

/* Carves the working memory out of `memory`; with null only measures. Returns the floats it takes. */
static int64_t pl_work_open(const pl_model *model, int64_t rows, int counted, float *memory, pl_work *work) {
    const int64_t padded = model->vocabulary_padded, context = (model->context + 15) / 16 * 16;
    const int64_t items = model->context ? model->windows * model->context : PL_ITEMS;
    const int64_t slots = model->context ? model->windows : rows;
    const int64_t sizes[14] = {items * model->width, PL_ITEMS * model->most_sums, PL_ROWS * model->most_sums,
                               slots * model->state, model->attention ? PL_ROWS * model->width : 0, context,
                               PL_ROWS * padded, padded, padded, padded, padded, padded, counted ? rows * padded : 0,
                               PL_ITEMS * model->most_bytes / 4};
    int64_t offsets[14], total = 0;
    int i;
    for (i = 0; i < 14; i++) {
        offsets[i] = total;
        total += sizes[i];
    }
    if (!memory) return total;
    work->items = memory + offsets[0];
    work->sums = memory + offsets[1];
    work->gates = memory + offsets[2];
    work->state = memory + offsets[3];
    work->average = memory + offsets[4];
    work->chances = memory + offsets[5];
    work->logits = memory + offsets[6];
    work->values = memory + offsets[7];
    work->mass = memory + offsets[8];
    work->rank = memory + offsets[9];
    work->list = (int32_t *)(void *)(memory + offsets[10]);
    work->longest = (int32_t *)(void *)(memory + offsets[11]);
    work->counts = counted ? (int32_t *)(void *)(memory + offsets[12]) : 0;
    work->bytes = (uint8_t *)(void *)(memory + offsets[13]);
    work->most_bytes = model->most_bytes;
    memset(work->items, 0, (size_t)sizes[0] * sizeof(float)); /* what no layer writes must be a number */
    memset(work->longest, 0, (size_t)sizes[11] * sizeof(int32_t));
    if (counted) memset(work->counts, 0, (size_t)sizes[12] * sizeof(int32_t));
    memset(work->read, 0, sizeof(work->read));
    return total;
}

static int pl_counted(const pl_rules *rules) {
    return rules->repetition != 1.0 || rules->presence != 0.0 || rules->frequency != 0.0;
}

static int pl_all_within(const int64_t *ids, int64_t n, int64_t limit) {
    int64_t i;
    for (i = 0; i < n; i++)
        if (ids[i] < 0 || ids[i] >= limit) return 0;
    return 1;
}

/* A window: nothing but empty places (the id `vocabulary`), then nothing but ids. */
static int pl_window_within(const pl_model *model, const int64_t *ids) {
    int64_t empty = 0;
    while (empty < model->context && ids[empty] == model->vocabulary) empty++;
    return pl_all_within(ids + empty, model->context - empty, model->vocabulary);
}

static int pl_model_within(const pl_model *model, int64_t level) {
    return level <= pl_level() && model->layers <= PL_LAYERS && model->windows <= PL_ROWS;
}

static int pl_rules_within(const pl_model *model, const pl_rules *rules) {
    return rules->stop < model->vocabulary && pl_all_within(rules->banned, rules->banned_count, model->vocabulary);
}

/* ---- what Python calls; each returns 0, or -1 where an argument is out of range ---- */

EXPORT int64_t pl_version(void) { return PL_VERSION; }
EXPORT int64_t pl_best_level(void) { return pl_level(); }
EXPORT int64_t pl_sizes(int64_t which) {
    return (int64_t)(which == 0 ? sizeof(pl_model) : which == 1 ? sizeof(pl_rules) : sizeof(pl_request));
}

/* Floats of working memory for so many rows; `counted` where penalties keep counts. */
EXPORT int64_t pl_work_size(const pl_model *model, int64_t rows, int64_t counted) {
    return pl_work_open(model, rows, counted != 0, 0, 0);
}

EXPORT int64_t pl_read(const pl_model *model, int64_t level, float *memory, int64_t rows, int64_t length,
                       const int64_t *ids, float *state, float *logits) {
    pl_work work;
    if (rows < 1 || rows > PL_ROWS || model->context || !pl_model_within(model, level)) return -1;
    if (!pl_all_within(ids, rows * length, model->vocabulary)) return -1;
    pl_work_open(model, rows, 0, memory, &work);
    CALL(level, read, (model, &work, rows, length, ids, state, logits));
    return 0;
}

/* Windows of a network with a context: the k-th begins at ids[starts[k]], of `length` ids in all. */
EXPORT int64_t pl_read_windows(const pl_model *model, int64_t level, float *memory, int64_t length,
                               const int64_t *ids, int64_t count, const int64_t *starts, float *logits) {
    pl_work work;
    int64_t k;
    if (!model->context || !pl_model_within(model, level)) return -1;
    for (k = 0; k < count; k++) {
        if (starts[k] < 0 || starts[k] + model->context > length) return -1;
        if (!pl_window_within(model, ids + starts[k])) return -1;
        if (ids[starts[k] + model->context - 1] == model->vocabulary) return -1;
    }
    pl_work_open(model, 1, 0, memory, &work);
    CALL(level, read_windows, (model, &work, ids, count, starts, logits));
    return 0;
}

/* Fills the arrays that the model's padded_states and padded_items point to. */
EXPORT int64_t pl_pad(const pl_model *model, int64_t level, float *memory) {
    pl_work work;
    if (!model->context || !model->padded_states || !pl_model_within(model, level)) return -1;
    pl_work_open(model, 1, 0, memory, &work);
    CALL(level, pad, (model, &work));
    return 0;
}

EXPORT int64_t pl_write(const pl_model *model, int64_t level, float *memory, const pl_rules *rules,
                        pl_request *request) {
    pl_work work;
    int64_t row;
    if (request->rows < 1 || request->rows > PL_ROWS || !pl_model_within(model, level)) return -1;
    if (!pl_rules_within(model, rules) || (model->context ? !request->context : !request->state)) return -1;
    pl_work_open(model, request->rows, pl_counted(rules), memory, &work);
    for (row = 0; row < request->rows; row++) {
        const int64_t *history = request->history + row * request->history_capacity;
        const int64_t length = request->history_lengths[row];
        if (length < 0 || request->positions[row] < 0) return -1;
        if (request->history_capacity && length + request->count > request->history_capacity) return -1;
        if (!pl_all_within(history, length, model->vocabulary)) return -1;
        if (model->context &&
            !pl_window_within(model, request->context + row * (model->context + request->count)))
            return -1;
        if (work.counts) pl_count(rules, history, length, work.counts + row * model->vocabulary_padded);
    }
    CALL(level, write, (model, &work, rules, request));
    return 0;
}

/* What one token would be drawn from, (vocabulary): the rules alone, for their tests against the numpy twins. */
EXPORT int64_t pl_distribution(const pl_model *model, int64_t level, float *memory, const pl_rules *rules,
                               const float *logits, const int64_t *history, int64_t length, int64_t position,
                               float *probabilities) {
    pl_work work;
    if (!pl_model_within(model, level) || position < 0 || !pl_rules_within(model, rules)) return -1;
    if (!pl_all_within(history, length, model->vocabulary)) return -1;
    pl_work_open(model, 1, pl_counted(rules), memory, &work);
    if (work.counts) pl_count(rules, history, length, work.counts);
    CALL(level, choose, (model, &work, rules, logits, work.counts, history, length, position, 0.0, probabilities));
    return 0;
}

EXPORT void pl_uniforms(uint64_t seed, uint64_t stream, uint64_t start, int64_t n, double *out) {
    int64_t i;
    for (i = 0; i < n; i++) out[i] = pl_uniform(seed, stream, start + (uint64_t)i);
}

/* Linkers on Windows are told to export this name; nothing calls it, the library is opened by ctypes. */
EXPORT void *PyInit__kernel(void) { return 0; }
