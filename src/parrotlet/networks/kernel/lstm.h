/* What enters an LSTM and the weights come in; what leaves it, and on the way back all gradients, go out.
 *
 * Included once for each arithmetic. All arrays are cut by row: a call works on the rows [first, last) and nothing else, so threads need no barrier.
 *
 * A tile is LANES units with their four gates, 4 * LANES columns in the order i f g o: one block of products ends in
 * finished cells. Formulas: Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000), as torch has them. */

INLINE TARGET VECTOR NAME(tangent)(VECTOR x) {
    return FMA(SET(2.0f), NAME(sigmoid)(ADD(x, x)), SET(-1.0f));
}

/* One tile of `rows` rows at one step. */
INLINE TARGET void NAME(cells)(const lstm_forward *call, const NUMBER *weights, int64_t tile, int64_t step,
                               int64_t row, const int rows) {
    const int64_t units = call->units, column = tile * LANES, before = call->reverse ? step + 1 : step - 1;
    const int64_t begins = call->reverse ? step == call->steps - 1 : step == 0;
    const NUMBER *hidden[MOST_ROWS], *entering[MOST_ROWS];
    VECTOR sums[MOST_ROWS][4];
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        const int64_t place = (row + r) * call->steps + step;
        const float *start = call->table + call->ids[place] * 4 * units + tile * TILE;
        hidden[r] = begins ? (const NUMBER *)call->hidden + (row + r) * units
                           : (const NUMBER *)call->leaving + ((row + r) * call->steps + before) * units;
        entering[r] = (const NUMBER *)call->entering + place * call->inputs;
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = LOAD(start + j * LANES);
    }
    weights = NAME(multiply)(weights, units, rows, hidden, sums);
    NAME(multiply)(weights, call->inputs, rows, entering, sums);
    UNROLL
    for (r = 0; r < rows; r++) {
        const int64_t place = (row + r) * call->steps + step;
        float *cell = call->cell + (row + r) * units + column;
        const VECTOR enter = NAME(sigmoid)(sums[r][0]), forget = NAME(sigmoid)(sums[r][1]);
        const VECTOR fresh = NAME(tangent)(sums[r][2]), out = NAME(sigmoid)(sums[r][3]);
        const VECTOR after = FMA(forget, LOAD(cell), MUL(enter, fresh));
        STORE(cell, after);
        STORE_NUMBERS((NUMBER *)call->leaving + place * units + column, MUL(out, NAME(tangent)(after)));
        if (call->gates) {
            SMALL *gate = (SMALL *)call->gates + place * 4 * units + tile * TILE;
            STORE_SMALL(gate, enter);
            STORE_SMALL(gate + LANES, forget);
            STORE_SMALL(gate + 2 * LANES, fresh);
            STORE_SMALL(gate + 3 * LANES, out);
            STORE(call->cells + place * units + column, after);
        }
    }
}

static TARGET void NAME(forward)(const lstm_forward *call, int64_t first, int64_t last) {
    const int64_t tiles = call->units / LANES, depth = call->units + call->inputs;
    int64_t index, tile, row, count;
    for (index = 0; index < call->steps; index++) {
        const int64_t step = call->reverse ? call->steps - 1 - index : index;
        for (tile = 0; tile < tiles; tile++) {
            const NUMBER *weights = (const NUMBER *)call->weights + tile * depth * TILE;
            for (row = first; row < last; row += count) {
                count = NAME(together)(last - row);
                BY_COUNT(count, NAME(cells), call, weights, tile, step, row)
            }
        }
    }
}

/* The gradients of one row's gates at one step, of one tile: into d (i f g o); the cell's gradient goes on. */
INLINE TARGET void NAME(cell_gradients)(const lstm_backward *call, int64_t tile, int64_t step, int64_t row,
                                        VECTOR *d) {
    const int64_t units = call->units, column = tile * LANES, place = row * call->steps + step;
    const int64_t before = call->reverse ? step + 1 : step - 1;
    const int64_t begins = call->reverse ? step == call->steps - 1 : step == 0;
    const SMALL *gate = (const SMALL *)call->gates + place * 4 * units + tile * TILE;
    const float *earlier = begins ? call->cell + row * units + column
                                  : call->cells + (row * call->steps + before) * units + column;
    float *carried = call->cell_gradient + row * units + column;
    float *table = call->table_gradient + call->ids[place] * 4 * units + tile * TILE;
    const VECTOR one = SET(1.0f), enter = LOAD_SMALL(gate), forget = LOAD_SMALL(gate + LANES);
    const VECTOR fresh = LOAD_SMALL(gate + 2 * LANES), out = LOAD_SMALL(gate + 3 * LANES);
    const VECTOR bent = NAME(tangent)(LOAD(call->cells + place * units + column));
    const VECTOR hidden = ADD(LOAD(call->hidden_gradient + row * units + column),
                              LOAD_NUMBERS((const NUMBER *)call->leaving_gradient + place * units + column));
    const VECTOR through = MUL(hidden, out);
    const VECTOR cell = ADD(LOAD(carried), FNMA(MUL(through, bent), bent, through));
    int j;
    d[0] = MUL(MUL(cell, fresh), FNMA(enter, enter, enter));
    d[1] = MUL(MUL(cell, LOAD(earlier)), FNMA(forget, forget, forget));
    d[2] = MUL(MUL(cell, enter), FNMA(fresh, fresh, one));
    d[3] = MUL(MUL(hidden, bent), FNMA(out, out, out));
    STORE(carried, MUL(cell, forget));
    UNROLL
    for (j = 0; j < 4; j++) STORE(table + j * LANES, ADD(LOAD(table + j * LANES), d[j]));
}

/* What one step hands back to the step before and to the layer below: `rows` rows, one tile of columns. */
INLINE TARGET void NAME(hand_back)(const lstm_backward *call, const NUMBER *gradients, int64_t tile, int64_t step,
                                   int64_t first, int64_t row, const int rows) {
    const int64_t units = call->units, inputs = call->inputs;
    const NUMBER *from[MOST_ROWS];
    VECTOR sums[MOST_ROWS][4];
    int r, j;
    UNROLL
    for (r = 0; r < rows; r++) {
        from[r] = gradients + (row + r - first) * 4 * units;
        UNROLL
        for (j = 0; j < 4; j++) sums[r][j] = SET(0.0f);
    }
    NAME(multiply)((const NUMBER *)call->weights + tile * 4 * units * TILE, 4 * units, rows, from, sums);
    UNROLL
    for (r = 0; r < rows; r++) {
        UNROLL
        for (j = 0; j < 4; j++) {
            const int64_t column = tile * TILE + j * LANES;
            if (column < units)
                STORE(call->hidden_gradient + (row + r) * units + column, sums[r][j]);
            else if (column < units + inputs)
                STORE_NUMBERS((NUMBER *)call->entering_gradient +
                                  ((row + r) * call->steps + step) * inputs + column - units, sums[r][j]);
        }
    }
}

/* What entered the rows of one group at one step, LANES numbers at a time, beside one another: (LANES, GROUP). */
static TARGET void NAME(remember)(const lstm_backward *call, NUMBER *entered, int64_t step, int64_t row, int64_t last,
                                  int64_t capacity) {
    const int64_t units = call->units, inputs = call->inputs, before = call->reverse ? step + 1 : step - 1;
    const int64_t begins = call->reverse ? step == call->steps - 1 : step == 0;
    const NUMBER *hidden[GROUP], *entering[GROUP];
    int64_t k, g;
    for (g = 0; g < GROUP; g++) {
        const int64_t there = row + g < last ? row + g : row; /* the gradients of a row that is not there are zero */
        hidden[g] = begins ? (const NUMBER *)call->hidden + there * units
                           : (const NUMBER *)call->leaving + (there * call->steps + before) * units;
        entering[g] = (const NUMBER *)call->entering + (there * call->steps + step) * inputs;
    }
    for (k = 0; k < units; k += LANES) INTERLEAVE(entered + k * capacity * GROUP, hidden, k);
    entered += units * capacity * GROUP;
    for (k = 0; k < inputs; k += LANES) INTERLEAVE(entered + k * capacity * GROUP, entering, k);
}

static TARGET void NAME(backward)(const lstm_backward *call, int64_t first, int64_t last, void *memory) {
    const int64_t units = call->units, tiles = units / LANES, rows = last - first, depth = units + call->inputs;
    const int64_t each = (rows + GROUP - 1) / GROUP, capacity = buffered(rows, GROUP) * each;
    NUMBER *gradients = memory;                                        /* (rows, 4 * units) of one step */
    NUMBER *grouped = gradients + rows * 4 * units;                    /* (tiles, capacity, TILE, GROUP) */
    NUMBER *entered = grouped + capacity * 4 * units * GROUP;          /* (depth / LANES, capacity, LANES, GROUP) */
    int64_t index, tile, row, count, filled = 0;
    int j, g;
    for (index = call->steps - 1; index >= 0; index--) {
        const int64_t step = call->reverse ? call->steps - 1 - index : index;
        for (row = first; row < last; row += GROUP) {
            const int64_t place = filled + (row - first) / GROUP;
            for (tile = 0; tile < tiles; tile++) {
                NUMBER *group = grouped + (tile * capacity + place) * TILE * GROUP;
                VECTOR d[2][4];
                for (g = 0; g < GROUP; g++) {
                    if (row + g < last) {
                        NAME(cell_gradients)(call, tile, step, row + g, d[g]);
                        for (j = 0; j < 4; j++)
                            STORE_NUMBERS(gradients + (row + g - first) * 4 * units + tile * TILE + j * LANES, d[g][j]);
                    } else {
                        for (j = 0; j < 4; j++) d[g][j] = SET(0.0f);
                    }
                }
                for (j = 0; j < 4; j++) STORE_GROUPS(group + j * LANES * GROUP, d[0][j], d[1][j]);
            }
            NAME(remember)(call, entered + place * LANES * GROUP, step, row, last, capacity);
        }
        filled += each;
        for (tile = 0; tile < (depth + TILE - 1) / TILE; tile++) {
            for (row = first; row < last; row += count) {
                count = NAME(together)(last - row);
                BY_COUNT(count, NAME(hand_back), call, gradients, tile, step, first, row)
            }
        }
        if (filled == capacity || index == 0) {
            NAME(gather)(call->weight_gradient, grouped, entered, tiles, depth, filled, capacity);
            filled = 0;
        }
    }
}
