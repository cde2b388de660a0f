/* Rows and a packed matrix come in; a start plus their product goes out. Included once for each instruction set.
 *
 * Floats: sums run over k in order, for each row alone, with the same rounding whatever the number of rows. Bytes:
 * whole numbers, whose sums are exact, then one multiplication and one addition for each sum. So a row's bits never
 * depend on the batch it is in. */

#define UNIT 16 /* columns are padded to this */
#define UNIT_VECTORS (UNIT / LANES)

/* What a block of rows goes over: floats, or bytes and what a byte of 1 stands for in each row. */
typedef struct {
    const float *const *x;
    uint8_t *const *bytes;
    const float *scales;
    const float *const *start;
    float *const *out;
} NAME(rows);

/* Rows x vectors sums held in registers while the weights, `stride` columns a step, stream past; the number of rows
 * and of vectors is constant. */
INLINE TARGET void NAME(float_block)(const float *weights, int64_t stride, int64_t depth, const int rows,
                                     const int vectors, const NAME(rows) *at, int64_t first, int64_t column) {
    VECTOR sum[4][7 * UNIT_VECTORS];
    int64_t k;
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < vectors; j++) sum[r][j] = LOAD(at->start[first + r] + column + j * LANES);
    }
    for (k = 0; k < depth; k++, weights += stride) {
        UNROLL
        for (r = 0; r < rows; r++) {
            VECTOR value = BROADCAST(at->x[first + r] + k);
            UNROLL
            for (j = 0; j < vectors; j++) sum[r][j] = MULTIPLY_ADD(value, LOAD(weights + j * LANES), sum[r][j]);
        }
    }
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < vectors; j++) STORE(at->out[first + r] + column + j * LANES, sum[r][j]);
    }
}

/* The same with bytes, four of a column side by side. */
INLINE TARGET void NAME(byte_block)(const pl_matrix *matrix, const int8_t *weights, int64_t stride, const int rows,
                                    const int vectors, const NAME(rows) *at, int64_t first, int64_t column) {
    INTEGERS sum[4][7 * UNIT_VECTORS];
    int64_t k;
    int r, j;
    UNROLL
    for (j = 0; j < vectors; j++) {
        sum[0][j] = OFFSET ? LOAD_INTEGERS(matrix->corrections + column + j * LANES) : NO_INTEGERS;
        UNROLL
        for (r = 1; r < rows; r++) sum[r][j] = sum[0][j];
    }
    for (k = 0; k < matrix->depth; k += 4, weights += 4 * stride) {
        UNROLL
        for (r = 0; r < rows; r++) {
            INTEGERS four = BROADCAST_FOUR(at->bytes[first + r] + k);
            UNROLL
            for (j = 0; j < vectors; j++)
                sum[r][j] = ADD_PRODUCTS(sum[r][j], four, LOAD_INTEGERS(weights + 4 * j * LANES));
        }
    }
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < vectors; j++) {
            const int64_t to = column + j * LANES;
            VECTOR scale = MULTIPLY(LOAD(matrix->scales + to), BROADCAST(at->scales + first + r));
            STORE(at->out[first + r] + to, MULTIPLY_ADD(FLOATS(sum[r][j]), scale, LOAD(at->start[first + r] + to)));
        }
    }
}

/* Some rows over some units of columns of a tile, which begins at `column` and has `stride` columns. */
INLINE TARGET void NAME(block)(const pl_matrix *matrix, const int bytes, int64_t column, int64_t stride, int64_t unit,
                               const int rows, const int units, const NAME(rows) *at, int64_t first) {
    const int64_t depth = bytes ? (matrix->depth + 3) / 4 * 4 : matrix->depth, begin = column * depth;
    if (bytes)
        NAME(byte_block)(matrix, (const int8_t *)matrix->weights + begin + 4 * unit * UNIT, stride, rows,
                         units * UNIT_VECTORS, at, first, column + unit * UNIT);
    else
        NAME(float_block)((const float *)matrix->weights + begin + unit * UNIT, stride, depth, rows,
                          units * UNIT_VECTORS, at, first, column + unit * UNIT);
}

#define ONE_ROW(count)                                                                \
    case count: NAME(block)(matrix, bytes, column, stride, 0, 1, count, at, r); break;

/* `count` rows share each weight that is loaded. */
#define ROWS_TOGETHER(count)                                                          \
    for (u = 0; u + WIDE <= units; u += WIDE)                                         \
        NAME(block)(matrix, bytes, column, stride, u, count, WIDE, at, r);            \
    for (; u < units; u++) NAME(block)(matrix, bytes, column, stride, u, count, 1, at, r);

/* Weights are packed in tiles of 4 units of columns; a width under 8 units, or the 4 to 7 units at the end, is one
 * tile. A tile of floats is (depth, columns), one of bytes (depth / 4, columns, 4). It stays in the cache while all
 * rows go over it. */
INLINE TARGET void NAME(tiles)(const pl_matrix *matrix, const int bytes, int64_t rows, const NAME(rows) *at) {
    const int64_t all = matrix->width / UNIT, tiles = all < 8 ? 1 : all / 4;
    int64_t tile;
    for (tile = 0; tile < tiles; tile++) {
        const int64_t units = tile == tiles - 1 ? all - 4 * tile : 4;
        const int64_t column = 4 * tile * UNIT, stride = units * UNIT;
        int64_t r = 0, u;
        for (; r + 4 <= rows; r += 4) { ROWS_TOGETHER(4) }
        switch (rows - r) {
        case 3: ROWS_TOGETHER(3) break;
        case 2: ROWS_TOGETHER(2) break;
        case 1: switch (units) { ONE_ROW(1) ONE_ROW(2) ONE_ROW(3) ONE_ROW(4) ONE_ROW(5) ONE_ROW(6) ONE_ROW(7) }
        }
    }
}

/* x (depth) becomes bytes, 127 for the largest of them, with OFFSET added; what a byte of 1 stands for goes out.
 * Where one of them is not a number, neither is what goes out. */
INLINE TARGET float NAME(to_bytes)(const float *restrict x, int64_t depth, uint8_t *restrict bytes) {
    union { float number; int32_t bits; } each, highest;
    float inverse;
    int64_t k;
    highest.bits = 0;
    for (k = 0; k < depth; k++) { /* without their signs floats are in the order of their bits */
        each.number = x[k];
        each.bits &= INT32_MAX;
        highest.bits = each.bits > highest.bits ? each.bits : highest.bits;
    }
    inverse = highest.number > 0.0f ? 127.0f / highest.number : 0.0f;
    for (k = 0; k < depth; k++) {
        each.number = x[k] * inverse + 12582912.0f; /* rounds to a whole number, which its last bits then are */
        bytes[k] = (uint8_t)(each.bits + OFFSET);
    }
    for (; k % 4; k++) bytes[k] = 0; /* where the weights are zero */
    return highest.number / 127.0f;
}

/* out[r] = start[r] + x[r] . matrix for each row, PL_ITEMS at most: x[r] is (depth), start[r] and out[r] are (width),
 * may be the same. */
static TARGET void NAME(product)(const pl_matrix *matrix, const pl_work *work, int64_t rows, const float *const *x,
                                 const float *const *start, float *const *out) {
    uint8_t *bytes[PL_ITEMS];
    float scales[PL_ITEMS];
    const NAME(rows) at = {x, bytes, scales, start, out};
    int64_t r;
    if (!matrix->scales) {
        NAME(tiles)(matrix, 0, rows, &at);
        return;
    }
    for (r = 0; r < rows; r++) {
        bytes[r] = work->bytes + r * work->most_bytes;
        scales[r] = NAME(to_bytes)(x[r], matrix->depth, bytes[r]);
    }
    NAME(tiles)(matrix, 1, rows, &at);
}
