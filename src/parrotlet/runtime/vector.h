/* Arrays come in; exponentials, sigmoids, tangents and sums of them go out.
 *
 * Included once for each instruction set by kernel.c, which defines NAME, TARGET, FUSED, LANES and the vector type.
 * Contraction is switched off; FUSED says where a product and a sum are one. */

/* exp(x) for x up to 88, 0 below -87: Cephes' polynomial on [-ln 2 / 2, ln 2 / 2], relative error under 2e-7. */
INLINE TARGET float NAME(exponential)(float x) {
    union { float number; uint32_t bits; } shifted, result;
    float bounded = x < 88.0f ? x : 88.0f, whole, rest, p;
    bounded = bounded > -87.0f ? bounded : -87.0f;
    shifted.number = FUSED(bounded, 1.44269504088896341f, 12582912.0f); /* rounds to a whole number of powers of 2 */
    whole = shifted.number - 12582912.0f;
    rest = FUSED(whole, -0.693359375f, bounded);
    rest = FUSED(whole, 2.12194440e-4f, rest);
    p = FUSED(1.9875691500e-4f, rest, 1.3981999507e-3f);
    p = FUSED(p, rest, 8.3334519073e-3f);
    p = FUSED(p, rest, 4.1665795894e-2f);
    p = FUSED(p, rest, 1.6666665459e-1f);
    p = FUSED(p, rest, 5.0000001201e-1f);
    result.number = FUSED(p, rest * rest, rest) + 1.0f;
    result.bits += shifted.bits << 23;
    return x >= -87.0f ? result.number : 0.0f; /* also 0 where x is not a number */
}

INLINE TARGET float NAME(within)(float x, float lowest, float highest) {
    x = x < highest ? x : highest;
    return x > lowest ? x : lowest;
}

/* tanh(x) as a fraction, whose upper part goes out: the rational approximation of Eigen (generic_fast_tanh_float), a
 * few units in the last place; exactly 1 from TANGENT_LIMIT on, which depends on how FUSED rounds. */
INLINE TARGET float NAME(tangent_parts)(float x, float *below) {
    const float bounded = NAME(within)(x, -TANGENT_LIMIT, TANGENT_LIMIT);
    float square, p, q;
    square = bounded * bounded;
    p = FUSED(-2.76076847742355e-16f, square, 2.00018790482477e-13f);
    p = FUSED(p, square, -8.60467152213735e-11f);
    p = FUSED(p, square, 5.12229709037114e-08f);
    p = FUSED(p, square, 1.48572235717979e-05f);
    p = FUSED(p, square, 6.37261928875436e-04f);
    p = FUSED(p, square, 4.89352455891786e-03f);
    q = FUSED(1.19825839466702e-06f, square, 1.18534705686654e-04f);
    q = FUSED(q, square, 2.26843463243900e-03f);
    q = FUSED(q, square, 4.89352518554385e-03f);
    *below = q;
    return bounded * p;
}

INLINE TARGET float NAME(tangent)(float x) {
    float below;
    const float above = NAME(tangent_parts)(x, &below);
    return above / below;
}

/* 2 * sigmoid(x) as a fraction, whose upper part goes out. */
INLINE TARGET float NAME(sigmoid_parts)(float x, float *below) {
    const float above = NAME(tangent_parts)(0.5f * x, below);
    return above + *below;
}

INLINE TARGET float NAME(sigmoid)(float x) { return FUSED(NAME(tangent)(0.5f * x), 0.5f, 0.5f); }

/* The sum of the products of n values (a multiple of 16). */
static TARGET float NAME(dot)(const float *a, const float *b, int64_t n) {
    const float nothing = 0.0f;
    VECTOR sum = BROADCAST(&nothing);
    int64_t i;
    for (i = 0; i < n; i += LANES) sum = MULTIPLY_ADD(LOAD(a + i), LOAD(b + i), sum);
    return LANE_SUM(sum);
}

/* The largest of n values (n a multiple of 16); what is not a number is passed over. */
static TARGET float NAME(largest)(const float *values, int64_t n) {
    const float lowest = -INFINITY;
    VECTOR best = BROADCAST(&lowest);
    int64_t i;
    for (i = 0; i < n; i += LANES) best = MAXIMUM(LOAD(values + i), best);
    return LANE_MAXIMUM(best);
}

/* Of n candidates (a multiple of 16) those with at least this rank: their mass, and in *count how many they are.
 * Runs of 1024 are summed in floats, the runs in doubles. */
static TARGET double NAME(measure)(const float *rank, const float *mass, int64_t n, float least, int64_t *count) {
    const float nothing = 0.0f;
    const VECTOR zero = BROADCAST(&nothing), limit = BROADCAST(&least);
    double all = 0;
    int64_t begin, i;
    *count = 0;
    for (begin = 0; begin < n; begin += 1024) {
        const int64_t end = begin + 1024 < n ? begin + 1024 : n;
        VECTOR sum = zero;
        for (i = begin; i < end; i += LANES) {
            const VECTOR each = LOAD(rank + i);
            sum = ADD_WHERE_AT_LEAST(sum, each, limit, LOAD(mass + i));
            *count += COUNT_AT_LEAST(each, limit);
        }
        all += (double)LANE_SUM(sum);
    }
    return all;
}

/* The sum of n values that are not negative (n a multiple of 16). */
static TARGET double NAME(total)(const float *values, int64_t n) {
    int64_t count;
    return NAME(measure)(values, values, n, 0.0f, &count);
}

/* out[i] = exp((values[i] - highest) * scale) */
static TARGET void NAME(exponentials)(const float *values, float highest, float scale, int64_t n, float *out) {
    int64_t i;
    for (i = 0; i < n; i++) out[i] = NAME(exponential)((values[i] - highest) * scale);
}
