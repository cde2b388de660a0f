/* Recurrent layers for training on a processor: plain C called through ctypes, no Python headers, no dependencies.
 *
 * Compiled once for each arithmetic that the compiler knows (GCC and Clang on x86-64); elsewhere nothing is on offer and
 * torch's own layers are used. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(_MSC_VER)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

enum { AVX2 = 3, AVX512 = 4, BFLOAT16 = 5 }; /* 3 and 4: float32; 5: AVX-512 with bfloat16 products */

/* Rows B, steps T, units H, inputs X (a multiple of LANES), table rows V; numbers are float32 or bfloat16. Every layer
 * has four sums a unit: an LSTM its gates i f g o; a GRU r and z, and of n what enters and what is remembered. */
typedef struct {
    int64_t rows, steps, units, inputs, reverse, gru;
    const int64_t *ids;    /* (B, T): rows of the table */
    const float *table;    /* (V, 4H) by tiles: sums that each step begins with */
    const void *entering;  /* (B, T, X) numbers */
    const void *weights;   /* (H / LANES, H + X, TILE) numbers, by groups */
    void *hidden;          /* (T + 1, B, H) numbers in the order of reading; the first are given */
    float *cells;          /* (T + 1, H / LANES, B, LANES) likewise. Of a GRU its state, exactly */
    void *leaving;         /* (B, T, H) numbers, or null where only the newest are wanted */
    void *gates;           /* (T, H / LANES, B, TILE) in the order of reading, or null where no gradients are wanted; of a
                            * GRU r z n and what n remembered */
} recurrent_forward;

typedef struct {
    int64_t rows, steps, units, inputs, reverse, gru, newest;
    const int64_t *ids;
    const void *entering;
    const void *weights;        /* ((H + X) / TILE, 4H, TILE) numbers, by groups; columns beyond H + X are zero */
    const void *hidden;
    const float *cells;
    const void *gates;
    const void *leaving_gradient;  /* (B, T, H) numbers; with `newest` (B, H) of the step that is read last */
    float *hidden_gradient;        /* (B, H) of the state after the last step; then of that before the first */
    float *cell_gradient;          /* (B, H) likewise */
    void *entering_gradient;       /* (B, T, X) numbers */
    float *weight_gradient;        /* (H / LANES, H + X, TILE), added to */
    float *table_gradient;         /* (V, 4H) by tiles, added to */
} recurrent_backward;

/* Rows N, inputs H (a multiple of LANES), columns: the vocabulary, filled up to a multiple of TILE. */
typedef struct {
    int64_t inputs, columns;
    const void *features;      /* (N, H) numbers */
    const int64_t *targets;    /* (N,), or below zero where nothing is predicted */
    const void *weights;       /* (columns / TILE, H, TILE) numbers, by groups */
    const void *transposed;    /* (H / TILE, columns, TILE) numbers, by groups */
    const float *bias;         /* (columns,); far below zero for columns that are no token */
    void *features_gradient;   /* (N, H) numbers, or null where no gradients are wanted */
    float *weight_gradient;    /* (columns / TILE, H, TILE), added to */
    float *bias_gradient;      /* (columns,), added to */
    double *nats;              /* one */
} linear_loss;

/* Windows that each begin with zeros and end in one target. `forward` and `backward` (with `newest`) are those of a block
 * of rows, save that their ids, like the targets of `loss`, are of all rows; so are the factors. */
typedef struct {
    const recurrent_forward *forward;
    const recurrent_backward *backward;
    const linear_loss *loss;   /* its features_gradient is the leaving_gradient of `backward`; its nats are those of all */
    const float *factors;      /* (all rows, H): the newest vectors times them are the features; or null, they are alike */
    void *memory, *loss_memory; /* see pt_memory and pt_loss_memory */
} windows_loss;

/* How many groups of gradients are gathered together into those of the weights. Few of them stay in the first cache; but
 * those of a large matrix lie beyond the second, where they are read and written each time that something is added. */
static int64_t groups_at_once(int64_t units) { return units < 512 ? 64 : 512; }
#define LOSS_GROUPS 64 /* of a softmax layer, which has few columns */

#define ROWS_AT_ONCE 128 /* that walk through a window together, so that each walk ends early */

static int64_t block_end(int64_t first, int64_t last) {
    return last - first > ROWS_AT_ONCE ? first + ROWS_AT_ONCE : last;
}

/* How many steps of so many rows are gathered together. */
static int64_t buffered(int64_t rows, int64_t units, int64_t group) {
    const int64_t each = (rows + group - 1) / group, most = groups_at_once(units);
    return each >= most ? 1 : most / each;
}

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

/* ---- AVX-512 with bfloat16 ---- */
#define NAME(name) name##_bfloat16
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,f16c")))
#define LANES 16
#define NUMBER uint16_t
#define SMALL uint16_t /* gates as float16: they lie between -1 and 1, or not far from there */
#define GROUP 2
#define NEGLIGIBLE 0x1p-10f
#define MOST_ROWS 6
#define LOAD_GROUPS(p) _mm512_loadu_ps((const float *)(const void *)(p))
#define BROADCAST_GROUP(p) _mm512_castsi512_ps(_mm512_set1_epi32(*(const int32_t *)(const void *)(p)))
#define MULTIPLY_ADD(sum, a, b) _mm512_dpbf16_ps(sum, (__m512bh)(a), (__m512bh)(b))
#include "avx512.h"
#define LOAD_NUMBERS(p) widened(p)
#define STORE_NUMBERS(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), (__m256i)_mm512_cvtneps_pbh(v))
#define LOAD_SMALL(p) _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)(p)))
#define STORE_SMALL(p, v) \
    _mm256_storeu_si256((__m256i *)(void *)(p), _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC))
#define STORE_GROUPS(p, even, odd) \
    _mm512_storeu_si512(p, paired((__m256i)_mm512_cvtneps_pbh(even), (__m256i)_mm512_cvtneps_pbh(odd)))
#define INTERLEAVE(p, rows, k) \
    _mm512_storeu_si512(p, paired(_mm256_loadu_si256((const __m256i *)(const void *)((rows)[0] + (k))), \
                                  _mm256_loadu_si256((const __m256i *)(const void *)((rows)[1] + (k)))))

#define WIDE_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")))
INLINE WIDE_TARGET __m512 widened(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(
        _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p)), 16));
}

/* Two rows of 16 numbers side by side: even[0] odd[0] even[1] odd[1] … */
INLINE WIDE_TARGET __m512i paired(__m256i even, __m256i odd) {
    const __m512i places = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8,
                                            39, 7, 38, 6, 37, 5, 36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    return _mm512_permutex2var_epi16(_mm512_castsi256_si512(even), places, _mm512_castsi256_si512(odd));
}

/* 1 / x by one step of Newton's method on the processor's estimate of 14 bits. */
INLINE WIDE_TARGET __m512 reciprocal_512(__m512 x) {
    const __m512 estimate = _mm512_rcp14_ps(x);
    return _mm512_mul_ps(estimate, _mm512_fnmadd_ps(x, estimate, _mm512_set1_ps(2.0f)));
}
/* 1 / (1 + 2 to a power), for bfloat16: by a polynomial of degree 3, and no step of Newton's. The absolute error, of a
 * tangent made of it too, is under 3e-4: less than what rounds a number of the size of most that leave a cell. */
INLINE WIDE_TARGET __m512 coarse_share(__m512 power) {
    const __m512 rest = _mm512_reduce_ps(power, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); /* in [0, 1) */
    __m512 p = _mm512_fmadd_ps(_mm512_set1_ps(7.80239775e-2f), rest, _mm512_set1_ps(2.26067031e-1f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(6.95834077e-1f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(9.99925109e-1f));
    return _mm512_rcp14_ps(_mm512_add_ps(_mm512_set1_ps(1.0f), _mm512_scalef_ps(p, power))); /* times 2 to that whole */
}
#define SHARE(power) coarse_share(power)
#include "arithmetic.h"

/* ---- AVX-512, float32 ---- */
#define NAME(name) name##_avx512
#define TARGET WIDE_TARGET
#define LANES 16
#define NUMBER float
#define SMALL float
#define GROUP 1
#define NEGLIGIBLE 0x1p-26f
#define MOST_ROWS 6
#define SHARE(power) NAME(exact_share)(power)
#define LOAD_GROUPS(p) _mm512_loadu_ps(p)
#define BROADCAST_GROUP(p) _mm512_set1_ps(*(p))
#define MULTIPLY_ADD(sum, a, b) _mm512_fmadd_ps(a, b, sum)
#include "avx512.h"
#define LOAD_NUMBERS(p) _mm512_loadu_ps(p)
#define STORE_NUMBERS(p, v) _mm512_storeu_ps(p, v)
#define LOAD_SMALL(p) _mm512_loadu_ps(p)
#define STORE_SMALL(p, v) _mm512_storeu_ps(p, v)
#define STORE_GROUPS(p, even, odd) _mm512_storeu_ps(p, even)
#define INTERLEAVE(p, rows, k) _mm512_storeu_ps(p, _mm512_loadu_ps((rows)[0] + (k)))
#include "arithmetic.h"

/* ---- AVX2, float32 ---- */
#define NARROW_TARGET __attribute__((target("avx2,fma")))
/* x times two to a whole power. */
INLINE NARROW_TARGET __m256 scaled(__m256 x, __m256 power) {
    const __m256i bits = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(power), _mm256_set1_epi32(127)), 23);
    return _mm256_mul_ps(x, _mm256_castsi256_ps(bits));
}
#define NAME(name) name##_avx2
#define TARGET NARROW_TARGET
#define LANES 8
#define NUMBER float
#define SMALL float
#define GROUP 1
#define NEGLIGIBLE 0x1p-26f
#define MOST_ROWS 3
#define VECTOR __m256
#define LOAD_GROUPS(p) _mm256_loadu_ps(p)
#define BROADCAST_GROUP(p) _mm256_broadcast_ss(p)
#define MULTIPLY_ADD(sum, a, b) _mm256_fmadd_ps(a, b, sum)
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define SET(x) _mm256_set1_ps(x)
#define ADD(a, b) _mm256_add_ps(a, b)
#define SUB(a, b) _mm256_sub_ps(a, b)
#define MUL(a, b) _mm256_mul_ps(a, b)
#define MIN(a, b) _mm256_min_ps(a, b)
#define MAX(a, b) _mm256_max_ps(a, b)
#define FMA(a, b, c) _mm256_fmadd_ps(a, b, c)
#define FNMA(a, b, c) _mm256_fnmadd_ps(a, b, c)
#define ROUND(x) _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)
#define SCALE(x, power) scaled(x, power)
#define RECIPROCAL(x) _mm256_div_ps(_mm256_set1_ps(1.0f), x)
#define SHARE(power) NAME(exact_share)(power)
#define LOAD_NUMBERS(p) _mm256_loadu_ps(p)
#define STORE_NUMBERS(p, v) _mm256_storeu_ps(p, v)
#define LOAD_SMALL(p) _mm256_loadu_ps(p)
#define STORE_SMALL(p, v) _mm256_storeu_ps(p, v)
#define STORE_GROUPS(p, even, odd) _mm256_storeu_ps(p, even)
#define INTERLEAVE(p, rows, k) _mm256_storeu_ps(p, _mm256_loadu_ps((rows)[0] + (k)))
#include "arithmetic.h"

static int offers(int64_t arithmetic) {
    const int narrow = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const int wide = narrow && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (arithmetic == BFLOAT16) return wide && __builtin_cpu_supports("avx512bf16");
    return arithmetic == AVX512 ? wide : arithmetic == AVX2 && narrow;
}

EXPORT int64_t pt_forward(int64_t arithmetic, const recurrent_forward *call, int64_t first, int64_t last) {
    int64_t end;
    if (!offers(arithmetic)) return -1;
    for (; first < last; first = end) {
        end = block_end(first, last);
        if (arithmetic == BFLOAT16) forward_bfloat16(call, first, end);
        else if (arithmetic == AVX512) forward_avx512(call, first, end);
        else forward_avx2(call, first, end);
    }
    return 0;
}

EXPORT int64_t pt_backward(int64_t arithmetic, const recurrent_backward *call, int64_t first, int64_t last,
                           void *memory) {
    int64_t end;
    if (!offers(arithmetic)) return -1;
    for (; first < last; first = end) {
        end = block_end(first, last);
        if (arithmetic == BFLOAT16) backward_bfloat16(call, first, end, memory);
        else if (arithmetic == AVX512) backward_avx512(call, first, end, memory);
        else backward_avx2(call, first, end, memory);
    }
    return 0;
}

EXPORT int64_t pt_loss(int64_t arithmetic, const linear_loss *call, int64_t first, int64_t last, void *memory) {
    if (!offers(arithmetic)) return -1;
    if (arithmetic == BFLOAT16) *call->nats = loss_bfloat16(call, first, last, memory);
    else if (arithmetic == AVX512) *call->nats = loss_avx512(call, first, last, memory);
    else *call->nats = loss_avx2(call, first, last, memory);
    return 0;
}

EXPORT int64_t pt_windows(int64_t arithmetic, const windows_loss *call, int64_t first, int64_t last) {
    if (!offers(arithmetic)) return -1;
    if (arithmetic == BFLOAT16) *call->loss->nats = windows_bfloat16(call, first, last);
    else if (arithmetic == AVX512) *call->loss->nats = windows_avx512(call, first, last);
    else *call->loss->nats = windows_avx2(call, first, last);
    return 0;
}
#else
static int offers(int64_t arithmetic) { return 0; }
EXPORT int64_t pt_forward(int64_t arithmetic, const recurrent_forward *call, int64_t first, int64_t last) { return -1; }
EXPORT int64_t pt_backward(int64_t arithmetic, const recurrent_backward *call, int64_t first, int64_t last,
                           void *memory) {
    return -1;
}
EXPORT int64_t pt_loss(int64_t arithmetic, const linear_loss *call, int64_t first, int64_t last, void *memory) {
    return -1;
}
EXPORT int64_t pt_windows(int64_t arithmetic, const windows_loss *call, int64_t first, int64_t last) { return -1; }
#endif

/* Changes with what the structures and arrays mean, so that an old library is never called as if it were this one. */
EXPORT int64_t pt_layout(void) { return 3; }
EXPORT int64_t pt_offers(int64_t arithmetic) { return offers(arithmetic); }
EXPORT int64_t pt_sizes(int64_t which) {
    return (int64_t)(which == 0   ? sizeof(recurrent_forward)
                     : which == 1 ? sizeof(recurrent_backward)
                     : which == 2 ? sizeof(linear_loss)
                                  : sizeof(windows_loss));
}

/* Numbers of working memory that pt_backward needs for so many rows. */
EXPORT int64_t pt_memory(int64_t group, int64_t rows, int64_t units, int64_t inputs) {
    /* fewer rows than in a block may need more, as more steps are gathered together */
    const int64_t most = rows < ROWS_AT_ONCE ? rows : ROWS_AT_ONCE;
    const int64_t together = groups_at_once(units) * group;
    const int64_t capacity = most + group > together ? most + group : together;
    return most * 4 * units + capacity * (5 * units + inputs);
}

/* Numbers of working memory that pt_loss needs. */
EXPORT int64_t pt_loss_memory(int64_t group, int64_t inputs, int64_t columns) {
    return group * (6 * columns + LOSS_GROUPS * (2 * columns + inputs));
}

/* Linkers on Windows are told to export this name; nothing calls it, the library is opened by ctypes. */
EXPORT void *PyInit__kernel(void) { return 0; }
