/* What enters an LSTM or a GRU and the weights come in; what leaves it, and on the way back all gradients, go out.
 *
 * Included once for each arithmetic. All arrays are cut by row: a call works on the rows [first, last) and nothing else,
 * so threads need no barrier.
 *
 * A tile is LANES units with their four sums, 4 * LANES columns: one block of products ends in finished cells. Formulas:
 * Hochreiter and Schmidhuber 1997 with forget gates (Gers et al. 2000); Cho et al. 2014, reset after the product; both
 * as torch has them. A quarter of a GRU's weights is zero: what enters n and what n remembers share one shape. */

INLINE TARGET VECTOR NAME(tangent)(VECTOR x) {
    return FMA(SET(2.0f), NAME(sigmoid)(ADD(x, x)), SET(-1.0f));
}

/* One tile of `rows` rows at one step. */
INLINE TARGET void NAME(cells)(const recurrent_forward *call, const NUMBER *weights, int64_t tile, int64_t step,
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
        VECTOR gate[4], after, leaving;
        gate[0] = NAME(sigmoid)(sums[r][0]);
        gate[1] = NAME(sigmoid)(sums[r][1]);
        if (call->gru) {
            gate[2] = NAME(tangent)(FMA(gate[0], sums[r][3], sums[r][2]));
            gate[3] = sums[r][3];
            after = leaving = FMA(gate[1], SUB(LOAD(cell), gate[2]), gate[2]);
        } else {
            gate[2] = NAME(tangent)(sums[r][2]);
            gate[3] = NAME(sigmoid)(sums[r][3]);
            after = FMA(gate[1], LOAD(cell), MUL(gate[0], gate[2]));
            leaving = MUL(gate[3], NAME(tangent)(after));
        }
        STORE(cell, after);
        STORE_NUMBERS((NUMBER *)call->leaving + place * units + column, leaving);
        if (call->gates) {
            SMALL *kept = (SMALL *)call->gates + place * 4 * units + tile * TILE;
            UNROLL
            for (j = 0; j < 4; j++) STORE_SMALL(kept + j * LANES, gate[j]);
            STORE(call->cells + place * units + column, after);
        }
    }
}

static TARGET void NAME(forward)(const recurrent_forward *call, int64_t first, int64_t last) {
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

/* The gradients of one row's sums at one step, of one tile: into d; the cell's gradient goes on. */
INLINE TARGET void NAME(cell_gradients)(const recurrent_backward *call, int64_t tile, int64_t step, int64_t row,
                                        VECTOR *d) {
    const int64_t units = call->units, column = tile * LANES, place = row * call->steps + step;
    const int64_t before = call->reverse ? step + 1 : step - 1;
    const int64_t begins = call->reverse ? step == call->steps - 1 : step == 0;
    const SMALL *gate = (const SMALL *)call->gates + place * 4 * units + tile * TILE;
    const float *earlier = begins ? call->cell + row * units + column
                                  : call->cells + (row * call->steps + before) * units + column;
    float *carried = call->cell_gradient + row * units + column;
    float *table = call->table_gradient + call->ids[place] * 4 * units + tile * TILE;
    const VECTOR one = SET(1.0f), first = LOAD_SMALL(gate), second = LOAD_SMALL(gate + LANES);
    const VECTOR fresh = LOAD_SMALL(gate + 2 * LANES), fourth = LOAD_SMALL(gate + 3 * LANES);
    const VECTOR hidden = ADD(LOAD(call->hidden_gradient + row * units + column),
                              LOAD_NUMBERS((const NUMBER *)call->leaving_gradient + place * units + column));
    int j;
    if (call->gru) { /* r z n, and what n remembers */
        const VECTOR state = ADD(hidden, LOAD(carried));
        d[2] = MUL(FNMA(state, second, state), FNMA(fresh, fresh, one));
        d[3] = MUL(d[2], first);
        d[0] = MUL(MUL(d[2], fourth), FNMA(first, first, first));
        d[1] = MUL(MUL(state, SUB(LOAD(earlier), fresh)), FNMA(second, second, second));
        STORE(carried, MUL(state, second));
    } else { /* i f g o */
        const VECTOR bent = NAME(tangent)(LOAD(call->cells + place * units + column));
        const VECTOR through = MUL(hidden, fourth);
        const VECTOR cell = ADD(LOAD(carried), FNMA(MUL(through, bent), bent, through));
        d[0] = MUL(MUL(cell, fresh), FNMA(first, first, first));
        d[1] = MUL(MUL(cell, LOAD(earlier)), FNMA(second, second, second));
        d[2] = MUL(MUL(cell, first), FNMA(fresh, fresh, one));
        d[3] = MUL(MUL(hidden, bent), FNMA(fourth, fourth, fourth));
        STORE(carried, MUL(cell, second));
    }
    UNROLL
    for (j = 0; j < 4; j++) STORE(table + j * LANES, ADD(LOAD(table + j * LANES), d[j]));
}

/* What one step hands back to the step before and to the layer below: `rows` rows, one tile of columns. */
INLINE TARGET void NAME(hand_back)(const recurrent_backward *call, const NUMBER *gradients, int64_t tile, int64_t step,
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
static TARGET void NAME(remember)(const recurrent_backward *call, NUMBER *entered, int64_t step, int64_t row,
                                  int64_t last, int64_t capacity) {
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

static TARGET void NAME(backward)(const recurrent_backward *call, int64_t first, int64_t last, void *memory) {
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
