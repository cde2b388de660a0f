/* Describes AVX-512 to instance.h, but for NAME, TARGET and how bytes are multiplied. */
#define FUSED(a, b, c) __builtin_fmaf(a, b, c)
#define TANGENT_LIMIT 7.99881172180175781f
#define LANES 16
#define WIDE 4
#define VECTOR __m512
#define LOAD(p) _mm512_loadu_ps(p)
#define STORE(p, v) _mm512_storeu_ps(p, v)
#define BROADCAST(p) _mm512_set1_ps(*(p))
#define MULTIPLY(a, b) _mm512_mul_ps(a, b)
#define MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define MAXIMUM(a, b) _mm512_max_ps(a, b)
#define ADD_WHERE_AT_LEAST(s, a, b, v) _mm512_mask_add_ps(s, _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ), s, v)
#define COUNT_AT_LEAST(a, b) __builtin_popcount(_mm512_cmp_ps_mask(a, b, _CMP_GE_OQ))
#define LANE_SUM(v) _mm512_reduce_add_ps(v)
#define LANE_MAXIMUM(v) _mm512_reduce_max_ps(v)
#define INTEGERS __m512i
#define NO_INTEGERS _mm512_setzero_si512()
#define LOAD_INTEGERS(p) _mm512_loadu_si512(p)
#define BROADCAST_FOUR(p) _mm512_set1_epi32(pl_four(p))
#define FLOATS(v) _mm512_cvtepi32_ps(v)
