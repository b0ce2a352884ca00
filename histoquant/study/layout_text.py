"""Names and meanings of every column below ``OUT/study``, as text that `histoquant.study.layout` reads."""

from __future__ import annotations

BLIND = """
[flow] One row per step of the flow: enrolled, completed, planned, biopsied, evaluable, paired.
step text which step
timepoint text empty for enrolled and completed
month number month of the timepoint
measure text for evaluable and paired: the main measure counted
marker text its marker
patients count patients that reach the step
tracts count tracts that reach the step
lost count tracts (enrolled, completed: patients) of the step before that do not
reasons text why, as `CODE n` joined by `; `
reason text why a cell is empty

[measures] One row per biopsy (patient, tract, timepoint) and measure, evaluable or not.
patient text as in biopsies.csv
tract text empty where there are none
timepoint text label
month number empty where study.toml declares no month
measure text column of biopsies.csv, or `inflammation_score`
marker text CD68, CD20, CD31, or HII for the index
role text `main` (one per marker, Holm), `further` (exploratory, Benjamini-Hochberg) or `index`
scale text `log` (density: changes are ratios) or `difference` (percent, points)
unit text `1/mm2`, `%` or `points`
count number cells or vessels N; log scale only
area_mm2 number evaluable tissue A
value number N / A, percent or points
value_low number lower 95 % limit of counting within the sections
value_high number upper 95 % limit
analysed number ln((N + 0.5) / A) on the log scale, else the value; empty unless evaluable
clone text antibody clone
evaluable flag whether inference uses it
reason text why not

[timepoints] One row per measure and timepoint: what the patients' levels look like.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
unit text see measures.csv
timepoint text label
month number month
patients count patients with an evaluable biopsy
tracts count tracts with an evaluable biopsy
median number of the patients' levels (mean over tracts, on the log scale a geometric one)
median_low number lower limit of the median, exact by order statistics
median_high number upper limit
median_confidence_percent number confidence of that interval: at least 95, empty below 6 patients
quartile_low number lower quartile of the patients' levels
quartile_high number upper quartile
reason text why a cell is empty

[tract_changes] One row per patient, tract, measure and later timepoint: change from baseline.
patient text patient
tract text tract
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
baseline text label of the earliest timepoint
timepoint text label of the later one
months number months between them
baseline_value number in the measure's unit
value number in the measure's unit
change number of ln((N + 0.5) / A), or of the value; index: over components of both visits
ratio number exp(change); log scale only
smallest_detectable number 1.96 sqrt(se0^2 + se1^2) of counting within the sections, on the scale of change
reason text why there is no change

[patient_changes] One row per patient, measure and later timepoint: mean over tracts evaluable at both.
patient text patient
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
baseline text label
timepoint text label
months number months between them
tracts count tracts in the mean
tract_set text their names joined by `;`
change number unweighted mean over tracts
change_area_weighted number weighted by the tissue of both visits (sensitivity)
ratio number exp(change); log scale only
reason text why there is no change

[changes] One row per measure and later timepoint: change over the patients. Patients are the unit.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
unit text of the estimates: `ln ratio`, `percentage points` or `points`
primary flag the one named primary comparison
baseline text label
timepoint text label
months number months between them
patients count patients with a change
tracts count their tracts
hl number Hodges-Lehmann estimate: median of the Walsh averages
hl_low number lower limit, exact by the signed-rank distribution
hl_high number upper limit
hl_confidence_percent number confidence attained: at least 95; empty below 6 patients
hl_ratio number exp(hl); log scale only
hl_ratio_low number exp(hl_low)
hl_ratio_high number exp(hl_high)
wilcoxon_w number smaller of the two rank sums
wilcoxon_p number exact, two-sided; zeros by Pratt, ties by mid-ranks
smallest_p number the least p this many patients can give
mean number mean change
mean_low number lower 95 % limit, t with patients - 1 degrees of freedom
mean_high number upper limit
mean_ratio number exp(mean): ratio of geometric means; log scale only
t_p number paired t test
sign_flip_p number permutation of signs by patient, two-sided
p_holm number main measures: wilcoxon_p adjusted over the markers of this timepoint (Holm)
p_bh number further measures: adjusted over them (Benjamini-Hochberg); exploratory
sd number standard deviation of the changes
srm number standardised response mean, mean / sd
srm_low number lower 95 % limit, noncentral t
srm_high number upper limit
mean_area_weighted number mean of the area-weighted patient changes (sensitivity)
beyond_detectable count tracts whose change exceeds the smallest detectable one
reason text why a cell is empty

[trends] One row per measure: all timepoints together.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
timepoints text labels by month, joined by `;`
patients count patients evaluable at every timepoint in at least one tract
tracts count tracts evaluable at every timepoint
friedman_chi2 number any difference between timepoints
friedman_p number chi-square approximation
page_l number Page's L for a fall over time, the order fixed beforehand
page_p number one-sided p of a fall, exact up to 3 timepoints and 20 patients
page_rise_p number one-sided p of a rise
skillings_mack number Skillings and Mack's statistic: any difference, gaps allowed
skillings_mack_p number chi-square approximation
skillings_mack_patients count patients with two timepoints or more in one tract
reason text why a cell is empty

[models] One row per measure, model and later timepoint: change from baseline with every biopsy used.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
model text `mixed` (patient intercept and slope, tract within) or `gee` (negative binomial counts)
baseline text label
timepoint text label
patients count patients in the model
biopsies count rows in the model
estimate number change; log scale: ln ratio
low number lower 95 % limit, t with `degrees`
high number upper limit
p number two-sided, same t
degrees number degrees of freedom: mixed by Kenward and Roger, gee by Pan and Wall
ratio number exp(estimate); log scale only
ratio_low number exp(low)
ratio_high number exp(high)
dispersion number gee: alpha of the variance mu + alpha mu^2, by moments
converged flag whether the optimiser says so
boundary flag whether a variance is estimated at or below zero
warnings text what the fit warned of
reason text why there is no model

[missing] One row per main measure and index, later timepoint and way of treating what is missing.
measure text see measures.csv
marker text see measures.csv
role text see measures.csv
scale text see measures.csv
timepoint text label
scenario text observed, complete (all timepoints), closed_best, closed_worst, delta, tipping, enrolled
delta number shift of the missing changes (delta, tipping, enrolled), in units of change
patients count patients in the estimate
filled count tract changes that were assumed
mean number mean change over patients
low number lower 95 % limit
high number upper limit
p number paired t
reason text why a cell is empty

[scores] One row per biopsy: the inflammation index with its uncertainty. Exploratory; research use only.
patient text patient
tract text tract
timepoint text label
month number month
score number 0 to 100
score_low number lower 95 % limit of counting within the sections
score_high number upper limit
grade count 0 to 4, an uncalibrated ordinal
equal_weights number score with equal weights
without_cd68 number score without the component
without_cd20_diffuse number score without the component
without_cd20_aggregates number score without the component
status text OK with remarks, or every reason for an empty score

[notes] One row per remark on the data.
code text what kind
where text patient, tract, timepoint, marker or file
says text the remark, with the way out
"""
