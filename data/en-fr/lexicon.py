"""The words of the English-French teaching corpus, as plain tables.

Inside an entry "_" is a space, and "-" is a form that is not used.  If an entry has marks
("every:a day:b | tous:a les:a jours:b"), words that share a mark are aligned.
"""

# English, French.  In most tables, spaces separate the columns and ";" separates the entries.
NAMES = {
    "masculine": "John Jean; Peter Pierre; Paul Paul; Thomas Thomas; Louis Louis; Henry Henri",
    "feminine": "Mary Marie; Anna Anne; Sophie Sophie; Lucy Lucie; Emma Emma; Julia Julie",
}
CITIES = "Paris Paris; London Londres; Geneva Genève; Rome Rome; Lyon Lyon; Berlin Berlin"
# English name, French name, "in" or "to" the country, "from" the country
COUNTRIES = """France France en de; Italy Italie en de; Spain Espagne en de;
    Canada Canada à_le de_le; Japan Japon à_le de_le; the_United_States États-Unis à_les de_les"""

# English singular and plural, French singular and plural, gender; grouped by meaning
NOUNS = {
    "person": """man men homme hommes m; woman women femme femmes f; boy boys garçon garçons m;
        girl girls fille filles f; child children enfant enfants m; king kings roi rois m;
        queen queens reine reines f; nurse nurses infirmière infirmières f;
        hero heroes héros héros m; actress actresses actrice actrices f""",
    "friend": """friend friends ami amis m; neighbour neighbours voisin voisins m;
        teacher teachers professeur professeurs m; doctor doctors médecin médecins m;
        student students étudiant étudiants m""",
    "kin": """brother brothers frère frères m; sister sisters sœur sœurs f;
        uncle uncles oncle oncles m; aunt aunts tante tantes f; son sons fils fils m;
        cousin cousins cousin cousins m; father - père - m; mother - mère - f;
        grandfather - grand-père - m; grandmother - grand-mère - f""",
    "animal": """cat cats chat chats m; dog dogs chien chiens m; horse horses cheval chevaux m;
        bird birds oiseau oiseaux m; owl owls hibou hiboux m; cow cows vache vaches f;
        mouse mice souris souris f; hen hens poule poules f; rabbit rabbits lapin lapins m;
        goat goats chèvre chèvres f; turtle turtles tortue tortues f""",
    "food": """apple apples pomme pommes f; egg eggs œuf œufs m; cake cakes gâteau gâteaux m;
        strawberry strawberries fraise fraises f; bean beans haricot haricots m;
        orange oranges orange oranges f; potato potatoes pomme_de_terre pommes_de_terre f""",
    "dish": "bread - pain - m; cheese - fromage - m; meat - viande - f; soup - soupe - f",
    "drink": """water - eau - f; milk - lait - m; wine - vin - m; coffee - café - m;
        beer - bière - f""",
    "text": "book books livre livres m; letter letters lettre lettres f",
    "tale": "story stories histoire histoires f; poem poems poème poèmes m",
    "small": """key keys clé clés f; umbrella umbrellas parapluie parapluies m;
        knife knives couteau couteaux m; picture pictures image images f;
        bottle bottles bouteille bouteilles f; present presents cadeau cadeaux m;
        flower flowers fleur fleurs f; plate plates assiette assiettes f""",
    "support": """table tables table tables f; chair chairs chaise chaises f; bed beds lit lits m;
        armchair armchairs fauteuil fauteuils m""",
    "container": """box boxes boîte boîtes f; bag bags sac sacs m;
        suitcase suitcases valise valises f""",
    "clothes": """hat hats chapeau chapeaux m; coat coats manteau manteaux m;
        dress dresses robe robes f; shirt shirts chemise chemises f;
        shoe shoes chaussure chaussures f; scarf scarves écharpe écharpes f""",
    "vehicle": """car cars voiture voitures f; bicycle bicycles vélo vélos m;
        boat boats bateau bateaux m; truck trucks camion camions m""",
    "opening": "door doors porte portes f; window windows fenêtre fenêtres f",
    "place": """school - école - f; museum - musée - m; market - marché - m; hospital - hôpital - m;
        hotel - hôtel - m; station - gare - f; castle - château - m; church - église - f;
        library - bibliothèque - f; theatre - théâtre - m""",
    "home": "house - maison - f; garden - jardin - m; kitchen - cuisine - f",
    "outside": "park - parc - m; forest - forêt - f",
}
GROUPS = {
    "people": "person friend kin",
    "things": "small support container clothes vehicle",
}
MASS = ("dish", "drink")
NOT_OWNED = ("person", "place", "outside", "opening")
ADULTS = ("man", "woman", "nurse", "actress", "doctor", "teacher", "student")

# English, its comparative (or "more"), the French forms m, f, m pl, f pl and, if they differ,
# the singulars before a vowel; then the meanings of the nouns that it goes with
ADJECTIVES_BEFORE = """
big bigger grand grande grands grandes | animal place home outside opening things
small smaller petit petite petits petites | person animal food place home opening things
beautiful more beau belle beaux belles bel belle | person animal place home outside things tale
old older vieux vieille vieux vieilles vieil vieille | friend animal text tale place home things
new - nouveau nouvelle nouveaux nouvelles nouvel nouvelle | friend text place things
young younger jeune jeune jeunes jeunes | person friend animal
kind kinder gentil gentille gentils gentilles | person friend
good - bon bonne bons bonnes | food dish drink text tale
"""
ADJECTIVES_AFTER = """
red - rouge rouge rouges rouges | clothes vehicle container small opening
green - vert verte verts vertes | clothes vehicle container support opening
blue - bleu bleue bleus bleues | clothes vehicle container support opening
white - blanc blanche blancs blanches | animal clothes vehicle support opening
black - noir noire noirs noires | animal clothes vehicle support container
expensive more cher chère chers chères | clothes vehicle dish drink
heavy heavier lourd lourde lourds lourdes | container support vehicle text
interesting more intéressant intéressante intéressants intéressantes | text tale place
strange stranger étrange étrange étranges étranges | text tale animal
Italian - italien italienne italiens italiennes | clothes vehicle person friend
French - français française français françaises | dish drink text person friend
rich richer riche riche riches riches | person friend
famous more célèbre célèbre célèbres célèbres | person friend
funny funnier drôle drôle drôles drôles | person friend animal
"""
STATES = """
tall taller grand grande grands grandes
tired - fatigué fatiguée fatigués fatiguées
sad - triste triste tristes tristes
happy - heureux heureuse heureux heureuses
sick - malade malade malades malades
busy - occupé occupée occupés occupées
angry - en_colère en_colère en_colère en_colère
late - en_retard en_retard en_retard en_retard
in_a_hurry - pressé pressée pressés pressées
in_love - amoureux amoureuse amoureux amoureuses
in_a_good_mood - de_bonne_humeur de_bonne_humeur de_bonne_humeur de_bonne_humeur
"""
ABSOLUTE = (
    "red",
    "green",
    "blue",
    "white",
    "black",
    "Italian",
    "French",
    "in_a_hurry",
    "in_love",
    "in_a_good_mood",
)  # never with "very" or "too"
LASTING = ("Italian", "French", "old", "young", "small", "beautiful", "tall")
PRAISE = ("beautiful", "good", "interesting")
BLAME = ("old", "small", "expensive", "heavy", "strange")
# English has "to be" and an adjective, French has "avoir" and a noun
FEELINGS = (
    "hungry faim; thirsty soif; cold froid; hot chaud; sleepy sommeil; right raison; wrong tort"
)

# base, third person, -ing, past | infinitive, participle | je il nous vous ils
# | objects | future stem, imperfect stem, words after the verb
TRANSITIVES = """
eat eats eating ate | manger mangé | mange mange mangeons mangez mangent | food dish
drink drinks drinking drank | boire bu | bois boit buvons buvez boivent | drink
see sees - saw | voir vu | vois voit voyons voyez voient | people animal vehicle
look_at looks_at looking_at looked_at | regarder regardé | regarde regarde regardons regardez \
regardent | people animal small
look_for looks_for looking_for looked_for | chercher cherché | cherche cherche cherchons cherchez \
cherchent | people animal small clothes container
find finds - found | trouver trouvé | trouve trouve trouvons trouvez trouvent | small clothes animal
buy buys buying bought | acheter acheté | achète achète achetons achetez achètent \
| things food dish drink text
sell sells selling sold | vendre vendu | vends vend vendons vendez vendent \
| clothes vehicle animal food support
read reads reading - | lire lu | lis lit lisons lisez lisent | text tale
write writes writing wrote | écrire écrit | écris écrit écrivons écrivez écrivent | text tale
like likes - - | aimer aimé | aime aime aimons aimez aiment \
| people animal food dish drink text tale clothes place
hate hates - - | détester détesté | déteste déteste détestons détestez détestent \
| animal food dish drink place
know knows - - | connaître connu | connais connaît connaissons connaissez connaissent | people
wait_for waits_for waiting_for waited_for | attendre attendu | attends attend attendons attendez \
attendent | people
listen_to listens_to listening_to listened_to | écouter écouté | écoute écoute écoutons écoutez \
écoutent | people
help helps helping helped | aider aidé | aide aide aidons aidez aident | people
open opens opening opened | ouvrir ouvert | ouvre ouvre ouvrons ouvrez ouvrent | opening container
close closes closing closed | fermer fermé | ferme ferme fermons fermez ferment | opening container
wash washes washing washed | laver lavé | lave lave lavons lavez lavent | clothes vehicle
wear wears wearing wore | porter porté | porte porte portons portez portent | clothes
lose loses losing lost | perdre perdu | perds perd perdons perdez perdent | small clothes
take takes taking took | prendre pris | prends prend prenons prenez prennent | small container
have has - had | avoir eu | ai a avons avez ont | animal vehicle small clothes text | aur av
need needs - - | avoir eu | ai a avons avez ont | small vehicle clothes container | aur - besoin_de
"""
INTRANSITIVES = """
sleep sleeps sleeping slept | dormir dormi | dors dort dormons dormez dorment
work works working worked | travailler travaillé | travaille travaille travaillons travaillez \
travaillent
sing sings singing sang | chanter chanté | chante chante chantons chantez chantent
dance dances dancing danced | danser dansé | danse danse dansons dansez dansent
run runs running ran | courir couru | cours court courons courez courent | - | courr
cry cries crying cried | pleurer pleuré | pleure pleure pleurons pleurez pleurent
laugh laughs laughing laughed | rire ri | ris rit rions riez rient
smile smiles smiling smiled | sourire souri | souris sourit sourions souriez sourient
"""
# "~" distinguishes two French verbs for the same English word.
OTHER_VERBS = """
be - - - | être été | suis est sommes êtes sont | - | ser ét
be~avoir - - - | avoir eu | ai a avons avez ont | - | aur av
go goes going went | aller allé | vais va allons allez vont | - | ir
come comes coming came | venir venu | viens vient venons venez viennent | - | viendr
leave leaves leaving left | partir parti | pars part partons partez partent
arrive arrives arriving arrived | arriver arrivé | arrive arrive arrivons arrivez arrivent
live lives - - | habiter habité | habite habite habitons habitez habitent
play plays playing played | jouer joué | joue joue jouons jouez jouent
give gives giving gave | donner donné | donne donne donnons donnez donnent | small text food
show shows showing showed | montrer montré | montre montre montrons montrez montrent \
| small text vehicle clothes
think thinks - - | penser pensé | pense pense pensons pensez pensent
say says - - | dire dit | dis dit disons dites disent
know~that knows - - | savoir su | sais sait savons savez savent
get_up gets_up getting_up got_up | lever levé | lève lève levons levez lèvent
go_to_bed goes_to_bed going_to_bed went_to_bed | coucher couché | couche couche couchons couchez \
couchent
"""
REFLEXIVE = ("get_up", "go_to_bed")
WITH_ETRE = ("go", "come", "leave", "arrive") + REFLEXIVE
STATIVE = ("like", "hate", "know", "have", "need")
GENERIC = ("like", "hate")  # "She likes cats" is "Elle aime les chats"
INVOLUNTARY = ("cry", "laugh", "smile", "lose")
QUESTIONED = ("like", "have", "know", "need", "eat", "see")  # in the present
GREETED = ("see", "help", "wait_for")  # with an object pronoun in the past
HANDLED = ("buy", "find", "lose", "sell", "take")  # with an object before the verb
ORDERED = ("open", "close", "eat", "drink", "read", "take", "wash", "buy")
ADDRESSED = ("look_at", "wait_for", "listen_to", "help")

# The French columns of every table of persons are je, il, nous, vous, ils.
JE, IL, NOUS, VOUS, ILS = range(5)
MODALS = {
    "going": "vais va allons allez vont",
    "can": "peux peut pouvons pouvez peuvent",
    "must": "dois doit devons devez doivent",
    "want": "veux veut voulons voulez veulent",
}
BE = {"present": "am is are are are", "past": "was was were were were"}
FUTURE, IMPERFECT = "ai a ons ez ont", "ais ait ions iez aient"
REFLEXIVES = "me se nous vous se"
MANQUER = "manque manque manquons manquez manquent"
APPELER = "appelle appelle appelons appelez appellent"
FAIRE = "fais fait faisons faites font"

# English subject, object and possessive; French subject, object, indirect object and stressed
# form; person; whether it is feminine
PRONOUNS = {
    "I": ("I me my", "je me me moi", JE, False),
    "he": ("he him his", "il le lui lui", IL, False),
    "she": ("she her her", "elle la lui elle", IL, True),
    "we": ("we us our", "nous nous nous nous", NOUS, False),
    "you": ("you you your", "vous vous vous vous", VOUS, False),
    "they": ("they them their", "ils les leur eux", ILS, False),
    "they (f)": ("they them their", "elles les leur elles", ILS, True),
    "it": ("it it its", "il le - -", IL, False),
    "it (f)": ("it it its", "elle la - -", IL, True),
}
SPEAKERS = ("I", "he", "she", "we", "you", "they")
OFTEN = SPEAKERS + ("I", "we", "you")  # their verb forms do not occur with nouns
OWNERS = ("my", "his", "her", "our", "your", "their")
# The columns are those of the adjectives.
DETERMINERS = {
    "the": "le la les les",
    "this": "ce cette ces ces cet cette",
    "my": "mon ma mes mes mon mon",
    "his": "son sa ses ses son son",
    "her": "son sa ses ses son son",
    "our": "notre notre nos nos",
    "your": "votre votre vos vos",
    "their": "leur leur leurs leurs",
    "many": "- - beaucoup_de beaucoup_de",
    "a_lot_of": "beaucoup_de beaucoup_de beaucoup_de beaucoup_de",
    "all_the": "- - tous_les toutes_les",
}
NUMBERS = {
    "two": "deux",
    "three": "trois",
    "four": "quatre",
    "five": "cinq",
    "six": "six",
    "seven": "sept",
    "eight": "huit",
    "nine": "neuf",
    "ten": "dix",
    "eleven": "onze",
    "twelve": "douze",
    "thirteen": "treize",
    "fourteen": "quatorze",
    "fifteen": "quinze",
    "sixteen": "seize",
    "seventeen": "dix-sept",
    "eighteen": "dix-huit",
    "nineteen": "dix-neuf",
    "twenty": "vingt",
    "thirty": "trente",
    "forty": "quarante",
    "fifty": "cinquante",
    "sixty": "soixante",
    "seventy": "soixante-dix",
    "eighty": "quatre-vingts",
}
ADVERBS = {"often": "souvent", "always": "toujours", "sometimes": "parfois"}
NEGATIONS = {"not": "pas", "never": "jamais", "no_longer": "plus"}

WEEK = (
    "Monday lundi; Tuesday mardi; Wednesday mercredi; Thursday jeudi; Friday vendredi; "
    "Saturday samedi; Sunday dimanche"
)
TIMES = {
    "habit": """every:a day:b | tous:a les:a jours:b; in:a summer:b | en:a été:b;
        in:a winter:b | en:a hiver:b; in:a autumn:b | en:a automne:b;
        in:a spring:b | à:a le:a printemps:b; from:a time:b to:c time:d | de:a temps:b en:c temps:d;
        once:a in:b a:b blue:c moon:c | tous:a les:b trente-six:c du:b mois:c""",
    "progressive": "now:a | maintenant:a; today:a | aujourd'hui:a; this:a morning:b | ce:a matin:b",
    "past": "yesterday:a | hier:a; last:a night:b | hier:a soir:b; this:a morning:b | ce:a matin:b",
    "far past": """last:a week:b | la:b semaine:b dernière:a;
        last:a year:b | la:b année:b dernière:a""",
    "future": "tomorrow:a | demain:a; this:a evening:b | ce:a soir:b",
    "far future": """next:a week:b | la:b semaine:b prochaine:a;
        next:a year:b | la:b année:b prochaine:a""",
}
# prepositions, and the meanings of the nouns after them
SURFACES = {
    "on:p | sur:p": "support",
    "under:p | sous:p": "support",
    "in:p | dans:p": "container",
}
SURROUNDINGS = {
    "behind:p | derrière:p": "opening vehicle home place",
    "in:a front:b of:c | devant:abc": "home place opening vehicle",
    "near:p | près:p de:p": "home outside place vehicle opening",
    "next:a to:b | à:a côté:a de:b": "home place vehicle opening",
    "in:p | dans:p": "home outside",
}
WEATHER = {
    "it:i 's:f raining:r cats:a and:b dogs:c | il:i pleut:fr des:b cordes:ac": "progressive",
    "it:i 's:f raining:r | il:i pleut:fr": "progressive",
    "it:i 's:f snowing:r | il:i neige:fr": "progressive",
    "it:i 's:f cold:r | il:i fait:f froid:r": "progressive",
    "it:i 's:f hot:r | il:i fait:f chaud:r": "progressive",
    "the:i weather:i is:f nice:r | il:i fait:f beau:r": "progressive",
    "it:i was:f cold:r | il:i faisait:f froid:r": "past",
    "it:i was:f raining:r | il:i pleuvait:fr": "past",
    "it:i rains:f a:b lot:b | il:i pleut:f beaucoup:b": "present",
    "it:i often:o snows:f | il:i neige:f souvent:o": "present",
}
# games and instruments, with their prepositions
GAMES = """football:n | à:n le:n football:n; tennis:n | à:n le:n tennis:n;
    cards:n | à:n les:n cartes:n; chess:n | à:n les:n échecs:n; the:d piano:n | de:d le:d piano:n;
    the:d guitar:n | de:d la:d guitare:n; the:d violin:n | de:d le:d violon:n"""
# actions | the states that cause them
REASONS = """sleep | tired sick; cry | sad tired; sing | happy in_love in_a_good_mood; run | late
    in_a_hurry; dance | happy in_love; smile | happy in_love in_a_good_mood; laugh | happy
    in_a_good_mood; not work | sick tired; not dance | tired sad sick; not sing | sad angry sick;
    not smile | sad angry tired; not laugh | sad angry; not sleep | in_love busy angry"""
CONTRASTS = """tired | work run dance; sick | work sing smile; sad | smile sing laugh dance;
    busy | smile sing; late | sleep laugh; in_a_hurry | sleep; angry | smile; happy | cry"""
# an action on a thing | later actions on the same thing
SEQUELS = "buy | like hate sell lose; find | like sell lose; have | like hate; take | like lose"
