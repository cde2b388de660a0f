/* What enters a softmax layer, its weights and the targets come in; nats and all gradients go out.
 *
 * Included once for each arithmetic. Logits live in the cache for as long as a block of rows needs them. */

/* Logits (rows, columns) of one block of rows. */
INLINE TARGET void NAME(logits)(const linear_loss *call, int64_t tile, int64_t row, float *out, const int rows) {
    const NUMBER *from[MOST_ROWS];
    VECTOR sums[MOST_ROWS][4];
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        from[r] = (const NUMBER *)call->features + (row + r) * call->inputs;
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = LOAD(call->bias + tile * TILE + j * LANES);
    }
    NAME(multiply)((const NUMBER *)call->weights + tile * call->inputs * TILE, call->inputs, rows, from, sums);
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < 4; j++) STORE(out + r * call->columns + tile * TILE + j * LANES, sums[r][j]);
    }
}

/* Logits (columns) become the gradient, softmax minus one-hot, stored as numbers; returns the nats of the target. */
static TARGET double NAME(surprise)(const linear_loss *call, float *logits, int64_t target, NUMBER *error) {
    const int64_t columns = call->columns;
    VECTOR most = LOAD(logits), sum = SET(0.0f), share;
    float lane[LANES], highest, total = 0;
    double nats;
    int64_t i;
    if (target < 0) {
        for (i = 0; i < columns; i += LANES) STORE_NUMBERS(error + i, SET(0.0f));
        return 0;
    }
    for (i = LANES; i < columns; i += LANES) most = MAX(most, LOAD(logits + i));
    STORE(lane, most);
    highest = lane[0];
    for (i = 1; i < LANES; i++) highest = lane[i] > highest ? lane[i] : highest;
    nats = (double)highest - (double)logits[target];
    for (i = 0; i < columns; i += LANES) {
        const VECTOR power = MUL(SUB(LOAD(logits + i), SET(highest)), SET(1.44269504f));
        const VECTOR value = NAME(power_of_two)(MAX(SET(-100.0f), power)); /* no share of it is a denormal number */
        STORE(logits + i, value);
        sum = ADD(sum, value);
    }
    STORE(lane, sum);
    for (i = 0; i < LANES; i++) total += lane[i];
    if (!call->features_gradient) return nats + log((double)total);
    share = SET(1.0f / total);
    for (i = 0; i < columns; i += LANES) STORE(logits + i, MUL(LOAD(logits + i), share));
    logits[target] -= 1.0f;
    for (i = 0; i < columns; i += LANES) {
        STORE(call->bias_gradient + i, ADD(LOAD(call->bias_gradient + i), LOAD(logits + i)));
        STORE_NUMBERS(error + i, LOAD(logits + i));
    }
    return nats + log((double)total);
}

/* The gradient of what entered: one tile of columns of a block of rows. */
INLINE TARGET void NAME(into_features)(const linear_loss *call, const NUMBER *errors, int64_t tile, int64_t row,
                                       const int rows) {
    const NUMBER *from[MOST_ROWS];
    VECTOR sums[MOST_ROWS][4];
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        from[r] = errors + r * call->columns;
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = SET(0.0f);
    }
    NAME(multiply)((const NUMBER *)call->transposed + tile * call->columns * TILE, call->columns, rows, from, sums);
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < 4; j++) {
            const int64_t column = tile * TILE + j * LANES;
            if (column < call->inputs)
                STORE_NUMBERS((NUMBER *)call->features_gradient + (row + r) * call->inputs + column, sums[r][j]);
        }
    }
}

static TARGET double NAME(loss)(const linear_loss *call, int64_t first, int64_t last, void *memory) {
    const int64_t columns = call->columns, inputs = call->inputs, capacity = LOSS_GROUPS;
    float *logits = memory;                                      /* (MOST_ROWS, columns) */
    NUMBER *errors = (NUMBER *)(logits + MOST_ROWS * columns);   /* (capacity * GROUP, columns) */
    NUMBER *grouped = errors + capacity * GROUP * columns;       /* (columns / TILE, capacity, TILE, GROUP) */
    NUMBER *entered = grouped + capacity * GROUP * columns;      /* (inputs / LANES, capacity, LANES, GROUP) */
    double nats = 0;
    int64_t begin, end, row, tile, count, k, r;
    for (begin = first; begin < last; begin = end) {
        end = begin + capacity * GROUP < last ? begin + capacity * GROUP : last;
        for (row = begin; row < end; row += count) {
            count = NAME(together)(end - row);
            for (tile = 0; tile < columns / TILE; tile++) {
                BY_COUNT(count, NAME(logits), call, tile, row, logits)
            }
            for (r = 0; r < count; r++)
                nats += NAME(surprise)(call, logits + r * columns, call->targets[row + r],
                                       errors + (row + r - begin) * columns);
            for (tile = 0; tile < (inputs + TILE - 1) / TILE && call->features_gradient; tile++) {
                BY_COUNT(count, NAME(into_features), call, errors + (row - begin) * columns, tile, row)
            }
        }
        if (!call->features_gradient) continue;
        for (row = begin; row < end; row += GROUP) {
            const int64_t place = (row - begin) / GROUP, next = row + GROUP - 1 < end ? row + GROUP - 1 : row;
            const NUMBER *error[2], *feature[2];
            error[0] = errors + (row - begin) * columns;
            error[1] = error[0] + columns;
            feature[0] = (const NUMBER *)call->features + row * inputs;
            feature[1] = (const NUMBER *)call->features + next * inputs;
            if (GROUP > 1 && next == row) /* an odd one out counts once */
                for (k = 0; k < columns; k++) errors[(row - begin + 1) * columns + k] = 0;
            for (k = 0; k < columns; k += LANES)
                INTERLEAVE(grouped + (k / TILE * capacity + place) * TILE * GROUP + k % TILE * GROUP, error, k);
            for (k = 0; k < inputs; k += LANES)
                INTERLEAVE(entered + k * capacity * GROUP + place * LANES * GROUP, feature, k);
        }
        NAME(gather)(call->weight_gradient, grouped, entered, columns / TILE, inputs,
                     (end - begin + GROUP - 1) / GROUP, capacity);
    }
    return nats;
}
