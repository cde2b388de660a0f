/* Arrays come in; matrix products, exponentials, sigmoids and tangents of them go out.
 *
 * Included once for each instruction set by kernel.c, which defines NAME, TARGET, FUSED, LANES and the vector type.
 * Sums run over k in order, for each row alone, with the same rounding whatever the number of rows: a row's bits
 * never depend on the batch it is in. Contraction is switched off; FUSED says where a product and a sum are one. */

#define UNIT 16                      /* columns are padded to this */
#define UNIT_VECTORS (UNIT / LANES)

/* rows x vectors sums held in registers while the weights stream past; rows and vectors are constants. */
INLINE TARGET void NAME(block)(const float *weights, int64_t stride, int64_t depth, const int rows, const int vectors,
                               const float *const *x, const float *const *start, float *const *out, int64_t column) {
    VECTOR sum[4][7 * UNIT_VECTORS];
    int64_t k;
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < vectors; j++) sum[r][j] = LOAD(start[r] + column + j * LANES);
    }
    for (k = 0; k < depth; k++, weights += stride) {
        UNROLL
        for (r = 0; r < rows; r++) {
            VECTOR value = BROADCAST(x[r] + k);
            UNROLL
            for (j = 0; j < vectors; j++) sum[r][j] = MULTIPLY_ADD(value, LOAD(weights + j * LANES), sum[r][j]);
        }
    }
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < vectors; j++) STORE(out[r] + column + j * LANES, sum[r][j]);
    }
}

#define ONE_ROW(units)                                                                                       \
    case units:                                                                                              \
        NAME(block)(tile, stride, depth, 1, (units) * UNIT_VECTORS, x + r, start + r, out + r, column);      \
        break;

/* `count` rows share each weight that is loaded. */
#define ROWS_TOGETHER(count)                                                                                 \
    for (u = 0; u + WIDE <= units; u += WIDE)                                                                \
        NAME(block)(tile + u * UNIT, stride, depth, count, WIDE * UNIT_VECTORS, x + r, start + r, out + r,   \
                    column + u * UNIT);                                                                      \
    for (; u < units; u++)                                                                                   \
        NAME(block)(tile + u * UNIT, stride, depth, count, UNIT_VECTORS, x + r, start + r, out + r,          \
                    column + u * UNIT);

/* out[r] = start[r] + x[r] . weights for each row: x[r] is (depth), start[r] and out[r] are (width), may be the same.
 * Weights are packed in tiles of 4 units of columns, each tile (depth, 64); a width under 8 units, or the 4 to 7
 * units at the end, is one tile. The tile stays in the cache while all rows go over it. */
static TARGET void NAME(product)(const float *weights, int64_t depth, int64_t width, int64_t rows,
                                 const float *const *x, const float *const *start, float *const *out) {
    int64_t column = 0;
    while (column < width) {
        int64_t units = (width - column) / UNIT, r = 0, u, stride;
        const float *tile = weights + column * depth;
        if (units >= 8) units = 4;
        stride = units * UNIT;
        for (; r + 4 <= rows; r += 4) { ROWS_TOGETHER(4) }
        switch (rows - r) {
        case 3: ROWS_TOGETHER(3) break;
        case 2: ROWS_TOGETHER(2) break;
        case 1: switch (units) { ONE_ROW(1) ONE_ROW(2) ONE_ROW(3) ONE_ROW(4) ONE_ROW(5) ONE_ROW(6) ONE_ROW(7) }
        }
        column += stride;
    }
}

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

INLINE TARGET float NAME(sigmoid)(float x) {
    float bounded = x > -80.0f ? x : -80.0f;
    return 1.0f / (1.0f + NAME(exponential)(-bounded));
}

INLINE TARGET float NAME(within)(float x, float lowest, float highest) {
    x = x < highest ? x : highest;
    return x > lowest ? x : lowest;
}

/* tanh(x): the rational approximation of Eigen (generic_fast_tanh_float), a few units in the last place. */
INLINE TARGET float NAME(tangent)(float x) {
    float bounded = x < 7.90531110763549805f ? x : 7.90531110763549805f, square, p, q;
    bounded = bounded > -7.90531110763549805f ? bounded : -7.90531110763549805f;
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
    return bounded * p / q;
}

/* The sum of the lanes of a vector, by halves. */
INLINE TARGET float NAME(lane_sum)(VECTOR vector) {
    float lane[LANES];
    int width, j;
    STORE(lane, vector);
    UNROLL
    for (width = LANES / 2; width > 0; width /= 2) {
        UNROLL
        for (j = 0; j < width; j++) lane[j] += lane[j + width];
    }
    return lane[0];
}

/* The sum of the products of n values (a multiple of 16). */
static TARGET float NAME(dot)(const float *a, const float *b, int64_t n) {
    const float nothing = 0.0f;
    VECTOR sum = BROADCAST(&nothing);
    int64_t i;
    for (i = 0; i < n; i += LANES) sum = MULTIPLY_ADD(LOAD(a + i), LOAD(b + i), sum);
    return NAME(lane_sum)(sum);
}

/* The largest of n values (n a multiple of 16); what is not a number is passed over. */
static TARGET float NAME(largest)(const float *values, int64_t n) {
    const float lowest = -INFINITY;
    VECTOR best = BROADCAST(&lowest);
    float lane[LANES];
    int64_t i;
    int j;
    for (i = 0; i < n; i += LANES) best = MAXIMUM(LOAD(values + i), best);
    STORE(lane, best);
    for (j = 1; j < LANES; j++) lane[0] = lane[j] > lane[0] ? lane[j] : lane[0];
    return lane[0];
}

/* Of n candidates (a multiple of 16) those with at least this rank: their mass, and in *count how many they are.
 * Runs of 1024 are summed in floats, the runs in doubles. */
static TARGET double NAME(measure)(const float *rank, const float *mass, int64_t n, float least, int64_t *count) {
    const float nothing = 0.0f, unit = 1.0f;
    const VECTOR zero = BROADCAST(&nothing), one = BROADCAST(&unit), limit = BROADCAST(&least);
    double all = 0;
    int64_t begin, i;
    *count = 0;
    for (begin = 0; begin < n; begin += 1024) {
        const int64_t end = begin + 1024 < n ? begin + 1024 : n;
        VECTOR sum = zero, some = zero;
        for (i = begin; i < end; i += LANES) {
            const VECTOR each = LOAD(rank + i);
            sum = ADD_WHERE_AT_LEAST(sum, each, limit, LOAD(mass + i));
            some = ADD_WHERE_AT_LEAST(some, each, limit, one);
        }
        all += (double)NAME(lane_sum)(sum);
        *count += (int64_t)NAME(lane_sum)(some);
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
