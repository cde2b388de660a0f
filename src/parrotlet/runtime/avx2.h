/* Describes AVX2 with FMA to instance.h, but for NAME and TARGET. */
#define FUSED(a, b, c) __builtin_fmaf(a, b, c)
#define TANGENT_LIMIT 7.99881172180175781f
#define LANES 8
#define WIDE 1
#define VECTOR __m256
#define LOAD(p) _mm256_loadu_ps(p)
#define STORE(p, v) _mm256_storeu_ps(p, v)
#define BROADCAST(p) _mm256_broadcast_ss(p)
#define MULTIPLY(a, b) _mm256_mul_ps(a, b)
#define MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define MAXIMUM(a, b) _mm256_max_ps(a, b)
#define ADD_WHERE_AT_LEAST(s, a, b, v) _mm256_add_ps(s, _mm256_and_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ), v))
#define COUNT_AT_LEAST(a, b) __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)))
#define LANE_SUM(v) pl_lane_sum(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)))
#define LANE_MAXIMUM(v) pl_lane_maximum(_mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1)))
#define INTEGERS __m256i
#define OFFSET 0
#define NO_INTEGERS _mm256_setzero_si256()
#define LOAD_INTEGERS(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define BROADCAST_FOUR(p) _mm256_set1_epi32(pl_four(p))
#define FLOATS(v) _mm256_cvtepi32_ps(v)
#define ADD_PRODUCTS(s, x, w) pl_add_products_v3(s, x, w)
/* Sizes times weights with their signs: two products of at most 127 * 127 fit into 16 bits. */
INLINE TARGET __m256i pl_add_products_v3(__m256i sum, __m256i x, __m256i weights) {
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(x), _mm256_sign_epi8(weights, x));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
