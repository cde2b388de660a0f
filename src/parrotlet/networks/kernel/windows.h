/* Windows with one target each come in; nats and all gradients go out, a block of rows after the other.
 *
 * Included once for each arithmetic, after recurrent.h and loss.h. What a block keeps for its way back stays in the cache
 * and is written over by the next one. */

/* values (rows, units) times factors (rows, units), into `products`. */
static TARGET void NAME(weighed)(const NUMBER *values, const float *factors, NUMBER *products, int64_t count) {
    int64_t k;
    for (k = 0; k < count; k += LANES) STORE_NUMBERS(products + k, MUL(LOAD_NUMBERS(values + k), LOAD(factors + k)));
}

static TARGET double NAME(windows)(const windows_loss *call, int64_t first, int64_t last) {
    recurrent_forward forward = *call->forward;
    recurrent_backward backward = *call->backward;
    linear_loss loss = *call->loss;
    const int64_t units = forward.units;
    const NUMBER *newest = (const NUMBER *)forward.hidden + forward.steps * forward.rows * units;
    double nats = 0;
    int64_t count;
    for (; first < last; first += count) {
        count = last - first < forward.rows ? last - first : forward.rows;
        forward.ids = backward.ids = call->forward->ids + first * forward.steps;
        loss.targets = call->loss->targets + first;
        NAME(forward)(&forward, 0, count);
        if (call->factors)
            NAME(weighed)(newest, call->factors + first * units, (NUMBER *)(void *)loss.features, count * units);
        nats += NAME(loss)(&loss, 0, count, call->loss_memory);
        if (call->factors)
            NAME(weighed)(loss.features_gradient, call->factors + first * units, loss.features_gradient, count * units);
        memset(backward.hidden_gradient, 0, count * units * sizeof(float));
        memset(backward.cell_gradient, 0, count * units * sizeof(float));
        NAME(backward)(&backward, 0, count, call->memory);
    }
    return nats;
}
