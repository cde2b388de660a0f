/* Describes to instance.h what every processor of the kind has, but for NAME and TARGET. */
#define WIDE 1
#if defined(__aarch64__) || defined(_M_ARM64)
#include <arm_neon.h>
#define LANES 4
#define VECTOR float32x4_t
#define LOAD(p) vld1q_f32(p)
#define STORE(p, v) vst1q_f32(p, v)
#define BROADCAST(p) vdupq_n_f32(*(p))
#define MULTIPLY(a, b) vmulq_f32(a, b)
#define MULTIPLY_ADD(a, b, c) vfmaq_f32(c, a, b)
#define MAXIMUM(a, b) vmaxnmq_f32(a, b)
#define ADD_WHERE_AT_LEAST(s, a, b, v) \
    vaddq_f32(s, vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(a, b), vreinterpretq_u32_f32(v))))
#define COUNT_AT_LEAST(a, b) vaddvq_u32(vshrq_n_u32(vcgeq_f32(a, b), 31))
#define LANE_SUM(v) vaddvq_f32(v)
#define LANE_MAXIMUM(v) vmaxnmvq_f32(v)
#define INTEGERS int32x4_t
#define NO_INTEGERS vdupq_n_s32(0)
#define BROADCAST_FOUR(p) vdupq_n_s32(pl_four(p))
#define LOAD_INTEGERS(p) vreinterpretq_s32_s8(vld1q_s8((const int8_t *)(p)))
#define FLOATS(v) vcvtq_f32_s32(v)
#define ADD_PRODUCTS(s, x, w) pl_add_products(s, vreinterpretq_s8_s32(x), vreinterpretq_s8_s32(w))
static inline int32x4_t pl_add_products(int32x4_t sum, int8x16_t x, int8x16_t weights) {
#if defined(__ARM_FEATURE_DOTPROD)
    return vdotq_s32(sum, x, weights);
#else
    const int16x8_t low = vmull_s8(vget_low_s8(x), vget_low_s8(weights));
    const int16x8_t high = vmull_s8(vget_high_s8(x), vget_high_s8(weights));
    return vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#endif
}
#elif defined(PL_X86)
#define LANES 4
#define VECTOR __m128
#define LOAD(p) _mm_loadu_ps(p)
#define STORE(p, v) _mm_storeu_ps(p, v)
#define BROADCAST(p) _mm_set1_ps(*(p))
#define MULTIPLY(a, b) _mm_mul_ps(a, b)
#define MULTIPLY_ADD(a, b, c) _mm_add_ps(_mm_mul_ps(a, b), c)
#define MAXIMUM(a, b) _mm_max_ps(a, b)
#define ADD_WHERE_AT_LEAST(s, a, b, v) _mm_add_ps(s, _mm_and_ps(_mm_cmpge_ps(a, b), v))
#define COUNT_AT_LEAST(a, b) pl_ones(_mm_movemask_ps(_mm_cmpge_ps(a, b)))
#define LANE_SUM(v) pl_lane_sum(v)
#define LANE_MAXIMUM(v) pl_lane_maximum(v)
#define INTEGERS __m128i
#define NO_INTEGERS _mm_setzero_si128()
#define BROADCAST_FOUR(p) _mm_set1_epi32(pl_four(p))
#define LOAD_INTEGERS(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define FLOATS(v) _mm_cvtepi32_ps(v)
#define ADD_PRODUCTS(s, x, w) pl_add_products(s, x, w)
/* bytes become 16 bits, whose products are added in pairs, then the pairs */
static inline __m128i pl_add_products(__m128i sum, __m128i x, __m128i weights) {
    const __m128i low = _mm_madd_epi16(_mm_srai_epi16(_mm_unpacklo_epi8(x, x), 8),
                                       _mm_srai_epi16(_mm_unpacklo_epi8(weights, weights), 8));
    const __m128i high = _mm_madd_epi16(_mm_srai_epi16(_mm_unpackhi_epi8(x, x), 8),
                                        _mm_srai_epi16(_mm_unpackhi_epi8(weights, weights), 8));
    const __m128 first = _mm_castsi128_ps(low), second = _mm_castsi128_ps(high);
    return _mm_add_epi32(sum, _mm_add_epi32(_mm_castps_si128(_mm_shuffle_ps(first, second, _MM_SHUFFLE(2, 0, 2, 0))),
                                            _mm_castps_si128(_mm_shuffle_ps(first, second, _MM_SHUFFLE(3, 1, 3, 1)))));
}
#else
#define LANES 1
#define VECTOR float
#define LOAD(p) (*(p))
#define STORE(p, v) (*(p) = (v))
#define BROADCAST(p) (*(p))
#define MULTIPLY(a, b) ((a) * (b))
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#define MAXIMUM(a, b) ((a) > (b) ? (a) : (b))
#define ADD_WHERE_AT_LEAST(s, a, b, v) ((s) + ((a) >= (b) ? (v) : 0.0f))
#define COUNT_AT_LEAST(a, b) ((a) >= (b))
#define LANE_SUM(v) (v)
#define LANE_MAXIMUM(v) (v)
#define INTEGERS int32_t
#define NO_INTEGERS 0
#define BROADCAST_FOUR(p) pl_four(p)
#define LOAD_INTEGERS(p) pl_four(p)
#define FLOATS(v) ((float)(v))
#define ADD_PRODUCTS(s, x, w) pl_add_products(s, x, w)
static int32_t pl_add_products(int32_t sum, int32_t x, int32_t weights) {
    int8_t a[4], b[4];
    memcpy(a, &x, 4);
    memcpy(b, &weights, 4);
    return sum + a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3];
}
#endif
#define OFFSET 0
#if defined(__GNUC__) && defined(__aarch64__)
#define FUSED(a, b, c) __builtin_fmaf(a, b, c)
#define TANGENT_LIMIT 7.99881172180175781f
#else
#define FUSED(a, b, c) ((a) * (b) + (c))
#define TANGENT_LIMIT 7.90531110763549805f
#endif
