/* Numbers and packed weights come in; sums of products and exponentials go out: what every layer is made of.
 *
 * Included once for each arithmetic by arithmetic.h, with NAME, TARGET, LANES, NUMBER (how weights, inputs and outputs
 * are stored), GROUP (how many of them one multiply-add takes in) and the vector operations. Sums are float32. */

#define TILE (4 * LANES)

/* sums[r][j] += x[r] . weights for `depth` numbers: weights are (depth / GROUP, TILE, GROUP). */
INLINE TARGET const NUMBER *NAME(multiply)(const NUMBER *weights, int64_t depth, const int rows,
                                           const NUMBER *const *x, VECTOR (*sums)[4]) {
    int64_t k;
    int r, j;
    for (k = 0; k < depth; k += GROUP, weights += TILE * GROUP) {
        VECTOR weight[4];
        UNROLL
        for (j = 0; j < 4; j++) weight[j] = LOAD_GROUPS(weights + j * LANES * GROUP);
        UNROLL
        for (r = 0; r < rows; r++) {
            const VECTOR value = BROADCAST_GROUP(x[r] + k);
            UNROLL
            for (j = 0; j < 4; j++) sums[r][j] = MULTIPLY_ADD(sums[r][j], value, weight[j]);
        }
    }
    return weights;
}

/* 2 to a power, kept between -126 and 126, or not a number: a polynomial of degree 5, relative error under 1e-7. */
INLINE TARGET VECTOR NAME(power_of_two)(VECTOR power) {
    const VECTOR bounded = MAX(SET(-126.0f), MIN(SET(126.0f), power)), whole = ROUND(bounded);
    const VECTOR rest = SUB(bounded, whole);
    VECTOR p = FMA(SET(1.32647272e-3f), rest, SET(9.67151281e-3f));
    p = FMA(p, rest, SET(5.55073374e-2f));
    p = FMA(p, rest, SET(2.40222421e-1f));
    p = FMA(p, rest, SET(6.93146978e-1f));
    p = FMA(p, rest, SET(1.0f));
    return SCALE(p, whole);
}

/* 1 / (1 + 2 to a power). */
INLINE TARGET VECTOR NAME(exact_share)(VECTOR power) {
    return RECIPROCAL(ADD(SET(1.0f), NAME(power_of_two)(power)));
}

/* Rows side by side in one block: as equal as can be, at most MOST_ROWS. */
INLINE int64_t NAME(together)(int64_t rows) {
    const int64_t blocks = (rows + MOST_ROWS - 1) / MOST_ROWS;
    return (rows + blocks - 1) / blocks;
}

/* Calls a function whose last argument must be a constant for the compiler. */
#if MOST_ROWS == 6
#define BY_COUNT(count, function, ...)               \
    switch (count) {                                 \
    case 1: function(__VA_ARGS__, 1); break;         \
    case 2: function(__VA_ARGS__, 2); break;         \
    case 3: function(__VA_ARGS__, 3); break;         \
    case 4: function(__VA_ARGS__, 4); break;         \
    case 5: function(__VA_ARGS__, 5); break;         \
    case 6: function(__VA_ARGS__, 6); break;         \
    }
#else
#define BY_COUNT(count, function, ...)               \
    switch (count) {                                 \
    case 1: function(__VA_ARGS__, 1); break;         \
    case 2: function(__VA_ARGS__, 2); break;         \
    case 3: function(__VA_ARGS__, 3); break;         \
    }
#endif

/* weights (TILE, `rows` of depth) += gradients (groups, TILE, GROUP) times entered (groups, LANES, GROUP). */
INLINE TARGET void NAME(accumulate)(float *weights, const NUMBER *gradients, const NUMBER *entered, int64_t groups,
                                    const int rows) {
    VECTOR sums[MOST_ROWS][4];
    int64_t g;
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = LOAD(weights + r * TILE + j * LANES);
    }
    for (g = 0; g < groups; g++, gradients += TILE * GROUP, entered += LANES * GROUP) {
        VECTOR gradient[4];
        UNROLL
        for (j = 0; j < 4; j++) gradient[j] = LOAD_GROUPS(gradients + j * LANES * GROUP);
        UNROLL
        for (r = 0; r < rows; r++) {
            const VECTOR value = BROADCAST_GROUP(entered + r * GROUP);
            UNROLL
            for (j = 0; j < 4; j++) sums[r][j] = MULTIPLY_ADD(sums[r][j], value, gradient[j]);
        }
    }
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < 4; j++) STORE(weights + r * TILE + j * LANES, sums[r][j]);
    }
}

/* weights (tiles, depth, TILE) += all that the buffers hold: gradients (tiles, capacity, TILE, GROUP) times entered
 * (depth / LANES, capacity, LANES, GROUP). */
static TARGET void NAME(gather)(float *all, const NUMBER *gradients, const NUMBER *entered, int64_t tiles,
                                int64_t depth, int64_t groups, int64_t capacity) {
    int64_t tile, k;
    for (tile = 0; tile < tiles; tile++) {
        for (k = 0; k < depth; k += LANES) {
            float *weights = all + (tile * depth + k) * TILE;
            const NUMBER *gradient = gradients + tile * capacity * TILE * GROUP;
            const NUMBER *source = entered + k * capacity * GROUP;
#if LANES == 16
            NAME(accumulate)(weights, gradient, source, groups, 6);
            NAME(accumulate)(weights + 6 * TILE, gradient, source + 6 * GROUP, groups, 5);
            NAME(accumulate)(weights + 11 * TILE, gradient, source + 11 * GROUP, groups, 5);
#else
            NAME(accumulate)(weights, gradient, source, groups, 3);
            NAME(accumulate)(weights + 3 * TILE, gradient, source + 3 * GROUP, groups, 3);
            NAME(accumulate)(weights + 6 * TILE, gradient, source + 6 * GROUP, groups, 2);
#endif
        }
    }
}
