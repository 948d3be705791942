/** From where on something needs somebody: one place, so that no two pages judge the same thing differently. */

/** A certificate renews itself with 20 days left; with fewer than this something is in its way. */
export const CERTIFICATE_WARN_S = 10 * 86_400;

/** MiB. The usual models have 4 to 8 GB: below this the next download is likely to be refused. */
export const DISK_LOW_MB = 5_000;

/** From here on some cards slow themselves down; makers differ by a few degrees. */
export const WARM_C = 83;

/** From here on all of them do. */
export const HOT_C = 87;
